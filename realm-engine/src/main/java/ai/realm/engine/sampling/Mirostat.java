package ai.realm.engine.sampling;

/// Mirostat 2 (Basu et al. 2021): keeps the candidates whose surprise stays below a bound `mu`, which
/// follows the surprise of what is chosen toward `tau`.
final class Mirostat {
  private final double tau;
  private final double eta;
  private float mu;

  Mirostat(double tau, double eta) {
    this.tau = tau;
    this.eta = eta;
    this.mu = (float) (2 * tau);
  }

  /// Drops the candidates that are too surprising.
  void apply(Candidates c) {
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

  /// Learns from the candidate at index `chosen`.
  void chose(Candidates c, int chosen) {
    float max = c.max();
    double surprise = -(c.logits[chosen] - max - Math.log(c.expSum(max))) / Math.log(2);
    mu -= (float) (eta * (surprise - tau));
  }
}
