package ai.realm.engine.sampling;

/// Mirostat 2 (Basu et al. 2021): keeps the candidates whose surprise stays below a bound `mu`, which
/// follows the surprise of what is chosen toward `tau`. The bound is the sequence's ([MirostatPath]).
record Mirostat(double tau, double eta) {
  /// The bound for the token behind a history.
  float bound(History history) {
    return history.path().bound(this, history);
  }

  /// Drops the candidates that are too surprising.
  void apply(Candidates c, float mu) {
    float max = c.max();
    double logSum = Math.log(c.expSum(max));
    int kept = 0;
    for (int i = 0; i < c.size; i++) {
      if (-(c.logits[i] - max - logSum) / Math.log(2) <= mu) {
        kept++;
      }
    }
    kept = Math.max(1, kept);
    c.sort(kept);
    c.truncate(kept);
  }

  /// The bound after the candidate at index `chosen`.
  float next(Candidates c, int chosen, float mu) {
    float max = c.max();
    double surprise = -(c.logits[chosen] - max - Math.log(c.expSum(max))) / Math.log(2);
    return mu - (float) (eta * (surprise - tau));
  }
}
