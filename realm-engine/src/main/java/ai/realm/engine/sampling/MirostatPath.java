package ai.realm.engine.sampling;

import java.util.Arrays;

/// Mirostat's bound `mu` at each place of a sequence that was sampled with it, with the token that was chosen
/// there. What a rejected draft taught is not counted: a bound holds only where the sequence has the
/// tokens that led to it.
final class MirostatPath {
  private double tau;
  private double eta;

  /// How many tokens preceded the first sample.
  private int first;

  /// `bounds[i]` holds before the token behind `first + i` tokens is chosen, `chosen[i]` is what it led to.
  private float[] bounds = new float[0];

  private int[] chosen = new int[0];
  private int size;

  /// Bounds below this one are known to be of the sequence's own tokens.
  private int checked;

  /// Whether the place last asked about lies behind a draft that was not what was chosen.
  private boolean aside;

  MirostatPath copy() {
    MirostatPath copy = new MirostatPath();
    copy.tau = tau;
    copy.eta = eta;
    copy.first = first;
    copy.bounds = bounds.clone();
    copy.chosen = chosen.clone();
    copy.size = size;
    copy.checked = checked;
    return copy;
  }

  void truncate(int length) {
    checked = Math.min(checked, Math.max(0, length - first));
  }

  /// The bound for the token behind those of a history.
  float bound(Mirostat mirostat, History history) {
    aside = false;
    int n = history.size();
    if (size == 0 || n < first || tau != mirostat.tau() || eta != mirostat.eta()) {
      tau = mirostat.tau();
      eta = mirostat.eta();
      first = n;
      size = 1;
      checked = 0;
      grow(1);
      bounds[0] = (float) (2 * tau);
      return bounds[0];
    }
    int known = follow(history);
    int place = n - first;
    if (known < Math.min(size - 1, place) && first + known >= history.committed()) {
      // A draft that was not what was chosen: where it is rejected, what is known must still be there.
      aside = true;
      return bounds[known];
    }
    grow(place + 1);
    for (int i = known; i < place; i++) {
      chosen[i] = history.token(first + i);
      bounds[i + 1] = bounds[known];
    }
    size = place + 1;
    checked = place;
    return bounds[place];
  }

  /// The last bound up to the place that the history's own tokens led to.
  private int follow(History history) {
    int last = Math.min(size - 1, history.size() - first);
    int known = Math.min(checked, last);
    while (known < last && chosen[known] == history.token(first + known)) {
      known++;
    }
    return known;
  }

  /// Keeps the bound that a choice led to.
  void chose(History history, int token, float next) {
    if (aside) {
      return;
    }
    int place = history.size() - first;
    grow(place + 2);
    chosen[place] = token;
    bounds[place + 1] = next;
    size = place + 2;
  }

  private void grow(int count) {
    if (bounds.length < count) {
      bounds = Arrays.copyOf(bounds, Math.max(count, bounds.length * 3 / 2 + 8));
      chosen = Arrays.copyOf(chosen, bounds.length);
    }
  }
}
