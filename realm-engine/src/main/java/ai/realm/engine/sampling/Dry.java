package ai.realm.engine.sampling;

/// DRY ("don't repeat yourself", p-e-w 2024): a token that would continue a repetition of the last
/// tokens is penalised by `multiplier · base^(length − allowedLength)`, where `length` is how much of
/// the end of the history is repeated before it. Repetitions end at sequence breakers.
record Dry(SamplingParams.DryParams params) implements Stage {
  /// exp of more overflows a float.
  private static final double MAX_LOG = 88.7228391;

  @Override
  public void apply(Candidates c, History history) {
    int n = params.lastN() < 0 ? history.size() : Math.min(params.lastN(), history.size());
    if (params.multiplier() == 0 || params.base() < 1 || n <= params.allowedLength()) {
      return;
    }
    int limit = params.breakers().tokensSinceBreaker(history, n);
    if (limit < params.allowedLength()) {
      return;
    }
    TokenCounts longest = c.counts();
    int[] repeated = repetitions(history, n, c.scratch(n));
    for (int back = 1; back < n; back++) {
      int length = Math.min(repeated[back], limit);
      if (length >= params.allowedLength()) {
        int token = history.fromEnd(back - 1);
        // One more, as 0 is none.
        longest.put(token, Math.max(longest.of(token), length + 1));
      }
    }
    if (longest.distinct() == 0) {
      return;
    }
    double maxExponent =
        params.base() > 1.000001f ? Math.floor(MAX_LOG / Math.log(params.base())) : 0;
    for (int i = 0; i < longest.distinct(); i++) {
      int token = longest.token(i);
      int at = c.indexOf(token);
      if (at >= 0 && !params.breakers().isBreaker(token)) {
        int exponent = longest.of(token) - 1 - params.allowedLength();
        if (maxExponent > 0) {
          exponent = (int) Math.min(exponent, maxExponent);
        }
        c.logits[at] -= (float) (params.multiplier() * Math.pow(params.base(), exponent));
      }
    }
    c.unordered();
  }

  /// For each distance from the end, how many tokens before it equal the tokens before the end: the
  /// Z-function of the reversed history, in linear time.
  private static int[] repetitions(History history, int n, int[] z) {
    int left = 0;
    int right = 0;
    z[0] = 0;
    for (int i = 1; i < n; i++) {
      z[i] = i < right ? Math.min(right - i, z[i - left]) : 0;
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
