package ai.realm.engine.sampling;

/// Makes recent tokens less likely: `repeat` divides positive and multiplies negative logits (Keskar et
/// al. 2019), `frequency` subtracts per occurrence, `presence` once. Touches only the tokens that it looks back at.
record Penalties(int lastN, float repeat, float frequency, float presence) implements Stage {
  @Override
  public void apply(Candidates c, History history) {
    int n = lastN < 0 ? history.size() : Math.min(lastN, history.size());
    if (n == 0 || (repeat == 1 && frequency == 0 && presence == 0)) {
      return;
    }
    TokenCounts counts = c.counts();
    for (int back = 0; back < n; back++) {
      int token = history.fromEnd(back);
      counts.put(token, counts.of(token) + 1);
    }
    for (int i = 0; i < counts.distinct(); i++) {
      int token = counts.token(i);
      int at = c.indexOf(token);
      if (at >= 0) {
        float l = c.logits[at];
        l = l <= 0 ? l * repeat : l / repeat;
        c.logits[at] = l - (counts.of(token) * frequency + presence);
      }
    }
    c.unordered();
  }
}
