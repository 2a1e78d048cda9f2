package ai.realm.engine.sampling;

import java.util.HashMap;
import java.util.Map;

/// DRY ("don't repeat yourself", p-e-w 2024): a token that would continue a repetition of the last
/// tokens is penalised by `multiplier · base^(length − allowedLength)`, where `length` is how much of
/// the end of the history is repeated before it. Repetitions end at sequence breakers.
record Dry(SamplingParams.DryParams params, History history) implements Stage {
  /// exp of more overflows a float.
  private static final double MAX_LOG = 88.7228391;

  @Override
  public void apply(Candidates c) {
    int n = params.lastN() < 0 ? history.size() : Math.min(params.lastN(), history.size());
    if (params.multiplier() == 0 || params.base() < 1 || n <= params.allowedLength()) {
      return;
    }
    int limit = params.breakers().tokensSinceBreaker(history, n);
    if (limit < params.allowedLength()) {
      return;
    }
    Map<Integer, Integer> longest = new HashMap<>();
    int[] repeated = repetitions(n);
    for (int back = 1; back < n; back++) {
      int length = Math.min(repeated[back], limit);
      if (length >= params.allowedLength()) {
        longest.merge(history.fromEnd(back - 1), length, Math::max);
      }
    }
    if (longest.isEmpty()) {
      return;
    }
    double maxExponent =
        params.base() > 1.000001f ? Math.floor(MAX_LOG / Math.log(params.base())) : 0;
    for (int i = 0; i < c.size; i++) {
      Integer length = longest.get(c.ids[i]);
      if (length != null && !params.breakers().isBreaker(c.ids[i])) {
        int exponent = length - params.allowedLength();
        if (maxExponent > 0) {
          exponent = (int) Math.min(exponent, maxExponent);
        }
        c.logits[i] -= (float) (params.multiplier() * Math.pow(params.base(), exponent));
      }
    }
    c.sorted = 0;
  }

  /// For each distance from the end, how many tokens before it equal the tokens before the end: the
  /// Z-function of the reversed history, in linear time.
  private int[] repetitions(int n) {
    int[] z = new int[n];
    int left = 0;
    int right = 0;
    for (int i = 1; i < n; i++) {
      if (i < right) {
        z[i] = Math.min(right - i, z[i - left]);
      }
      while (i + z[i] < n && history.fromEnd(z[i]) == history.fromEnd(i + z[i])) {
        z[i]++;
      }
      if (i + z[i] > right) {
        left = i;
        right = i + z[i];
      }
    }
    return z;
  }
}
