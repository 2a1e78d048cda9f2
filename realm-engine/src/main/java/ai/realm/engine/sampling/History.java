package ai.realm.engine.sampling;

import java.util.Arrays;

/// The tokens of a sequence so far, prompt included: what penalties look back at.
final class History {
  private int[] tokens = new int[64];
  private int size;

  void add(int token) {
    if (size == tokens.length) {
      tokens = Arrays.copyOf(tokens, size * 2);
    }
    tokens[size++] = token;
  }

  int size() {
    return size;
  }

  /// The token `back` places before the last; 0 is the last.
  int fromEnd(int back) {
    return tokens[size - 1 - back];
  }
}
