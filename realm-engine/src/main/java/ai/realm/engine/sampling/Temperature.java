package ai.realm.engine.sampling;

/// Divides logits by a temperature; 0 keeps the most probable candidate only. With a range the
/// temperature follows the entropy of the distribution: from `value − range` where the model is sure to
/// `value + range` where it is not (dynamic temperature).
record Temperature(float value, float range, float exponent) implements Stage {
  @Override
  public void apply(Candidates c, History history) {
    float t = range > 0 && c.size > 1 ? dynamic(c) : value;
    if (t <= 0) {
      c.sort(1);
      c.truncate(1);
      return;
    }
    c.divide(t);
  }

  private float dynamic(Candidates c) {
    float max = c.max();
    double logSum = Math.log(c.expSum(max));
    double entropy = 0;
    for (int i = 0; i < c.size; i++) {
      double logp = c.logits[i] - max - logSum;
      double p = Math.exp(logp);
      entropy -= p > 0 ? p * logp : 0;
    }
    float least = Math.max(0, value - range);
    double share = entropy / Math.log(c.size);
    return (float) (least + (value + range - least) * Math.pow(share, exponent));
  }
}
