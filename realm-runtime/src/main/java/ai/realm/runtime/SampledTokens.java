package ai.realm.runtime;

import ai.realm.engine.StepRequest;

/// What the last step of a sequence sampled and nobody has fed yet. To feed the token that belongs at the
/// sequence's end costs nothing: it was charged when it was sampled. Every other token that is fed is one of
/// a prompt. A fork has none of its own. Used by the guest's thread.
final class SampledTokens {
  private int[] tokens = new int[1];
  private int count;

  /// The position that the first of them belongs at.
  private long first;

  /// Tokens of the sequence.
  private long length;

  /// Whether the sequence goes on with what it sampled.
  boolean isNext(int token) {
    long i = length - first;
    return i >= 0 && i < count && tokens[(int) i] == token;
  }

  /// They are fed, or something else is in their place.
  void forget() {
    count = 0;
  }

  /// A step of `rows` tokens is done.
  void sampled(StepRequest step, int rows) {
    count = step.produced();
    if (tokens.length < count) {
      tokens = new int[count];
    }
    for (int i = 0; i < count; i++) {
      tokens[i] = step.token(i);
    }
    length = (long) step.start() + rows;
    first = length - count + 1;
  }

  /// The sequence was cut: behind a step that sampled every position, one of these may be next.
  void truncated(int to) {
    length = to;
  }
}
