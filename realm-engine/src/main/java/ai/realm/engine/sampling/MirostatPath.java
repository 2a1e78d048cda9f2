package ai.realm.engine.sampling;

import java.util.Arrays;

/// Mirostat's bound `mu` at each place of a sequence since it was first sampled with it: before the token of a place
/// is chosen, and what it would be after what was chosen there. Where the sequence has another token at a place, such as
/// a draft or what the caller preferred, the bound stays as it was. So a rejected draft teaches nothing.
final class MirostatPath {
  private static final int NOTHING = -1;
  private static final int LEAST_PLACES = 64;

  private double tau;
  private double eta;

  /// How many tokens preceded the first sample: place 0 is behind them.
  private int first;

  /// How many places have a bound.
  private int size;

  private float[] bounds = new float[0];

  /// What was sampled at a place, and the bound that follows where the sequence took it.
  private int[] chosen = new int[0];

  private float[] after = new float[0];

  /// The sequence's tokens, by place, that the bounds behind them are of.
  private int[] seen = new int[0];

  /// Tokens of places below this one are known to be the same still.
  private int checked;

  /// Of a sequence that has `length` tokens.
  MirostatPath copy(int length) {
    MirostatPath copy = new MirostatPath();
    copy.tau = tau;
    copy.eta = eta;
    copy.first = first;
    copy.size = Math.min(size, Math.max(0, length - first + 1));
    copy.bounds = Arrays.copyOf(bounds, copy.size);
    copy.chosen = Arrays.copyOf(chosen, copy.size);
    copy.after = Arrays.copyOf(after, copy.size);
    copy.seen = Arrays.copyOf(seen, copy.size);
    copy.checked = Math.min(checked, Math.max(0, copy.size - 1));
    return copy;
  }

  void truncate(int length) {
    checked = Math.min(checked, Math.max(0, length - first));
    int left = Math.max(0, length - first + 1);
    if (bounds.length > 4 * Math.max(LEAST_PLACES, left)) {
      // What came behind is forgotten with the memory that it takes.
      size = Math.min(size, left);
      resize(Math.max(LEAST_PLACES, size));
    }
  }

  /// The bound for the token behind those of a history.
  float bound(Mirostat mirostat, History history) {
    int place = history.size() - first;
    if (size == 0 || place < 0 || tau != mirostat.tau() || eta != mirostat.eta()) {
      begin(mirostat, history.size());
      return bounds[0];
    }
    grow(place + 1);
    for (int i = same(history, Math.min(size - 1, place)); i < place; i++) {
      seen[i] = history.token(first + i);
      bounds[i + 1] = seen[i] == chosen[i] ? after[i] : bounds[i];
      chosen[i + 1] = NOTHING;
    }
    size = place + 1;
    checked = place;
    return bounds[place];
  }

  private void begin(Mirostat mirostat, int length) {
    tau = mirostat.tau();
    eta = mirostat.eta();
    first = length;
    size = 1;
    checked = 0;
    grow(1);
    bounds[0] = (float) (2 * tau);
    chosen[0] = NOTHING;
  }

  /// The first place up to `last` whose token is another one than it was.
  private int same(History history, int last) {
    int place = Math.min(checked, last);
    while (place < last && seen[place] == history.token(first + place)) {
      place++;
    }
    return place;
  }

  /// Keeps what was sampled at the place last asked about, and the bound that it leads to.
  void chose(int token, float next) {
    chosen[size - 1] = token;
    after[size - 1] = next;
  }

  private void grow(int count) {
    if (bounds.length < count) {
      resize(Math.max(count, bounds.length * 3 / 2 + 8));
    }
  }

  private void resize(int capacity) {
    bounds = Arrays.copyOf(bounds, capacity);
    chosen = Arrays.copyOf(chosen, capacity);
    after = Arrays.copyOf(after, capacity);
    seen = Arrays.copyOf(seen, capacity);
  }
}
