package ai.realm.engine.sampling;

/// Stages that drop candidates.
final class Truncations {
  private Truncations() {}

  /// Keeps the k most probable candidates.
  record TopK(int k) implements Stage {
    @Override
    public void apply(Candidates c, History history) {
      if (k > 0 && k < c.size) {
        c.sort(k);
        c.truncate(k);
      }
    }
  }

  /// Nucleus sampling (Holtzman et al. 2020): keeps the most probable candidates until their
  /// probabilities sum to p.
  record TopP(float p, int minKeep) implements Stage {
    @Override
    public void apply(Candidates c, History history) {
      if (p >= 1) {
        return;
      }
      float max = c.max();
      double sum = c.expSum(max);
      double kept = 0;
      for (int i = 0; i < c.size; i++) {
        if (i >= c.sorted) {
          c.sort(Math.max(64, 2 * c.sorted));
        }
        kept += Math.exp(c.logits[i] - max) / sum;
        if ((float) kept >= p && i + 1 >= minKeep) {
          c.truncate(i + 1);
          return;
        }
      }
    }
  }

  /// Drops candidates less probable than p times the best one.
  record MinP(float p, int minKeep) implements Stage {
    @Override
    public void apply(Candidates c, History history) {
      if (p <= 0) {
        return;
      }
      float least = c.max() + (float) Math.log(p);
      int kept = 0;
      for (int i = 0; i < c.size; i++) {
        kept += c.logits[i] >= least ? 1 : 0;
      }
      c.sort(Math.max(kept, minKeep));
      c.truncate(Math.max(1, Math.max(kept, minKeep)));
    }
  }

  /// Locally typical sampling (Meister et al. 2023): keeps the candidates whose surprise is nearest to
  /// the expected one, until their probabilities sum to p.
  record Typical(float p, int minKeep) implements Stage {
    @Override
    public void apply(Candidates c, History history) {
      if (p >= 1) {
        return;
      }
      float max = c.max();
      double sum = 0;
      double weighted = 0;
      for (int i = 0; i < c.size; i++) {
        double below = c.logits[i] - max;
        double e = Math.exp(below);
        sum += e;
        weighted += e > 0 ? e * below : 0;
      }
      double logSum = Math.log(sum);
      double entropy = logSum - weighted / sum;
      float[] distance = c.distances();
      for (int i = 0; i < c.size; i++) {
        distance[i] = (float) Math.abs(-(c.logits[i] - max - logSum) - entropy);
      }
      double kept = 0;
      int near = 0;
      for (int i = 0; i < c.size; i++) {
        if (i == near) {
          int more = Math.min(c.size, Math.max(64, 2 * near));
          c.nearest(near, more);
          near = more;
        }
        kept += Math.exp(c.logits[i] - max - logSum);
        if (kept > p && (minKeep == 0 || i >= minKeep - 1)) {
          c.truncate(i + 1);
          break;
        }
      }
      c.sort(c.size);
    }
  }

  /// Top-nσ (Tang et al. 2024): drops candidates whose logit is more than n standard deviations below
  /// the best.
  record TopNSigma(float n) implements Stage {
    @Override
    public void apply(Candidates c, History history) {
      if (n < 0) {
        return;
      }
      double mean = 0;
      for (int i = 0; i < c.size; i++) {
        mean += c.logits[i];
      }
      mean /= c.size;
      double variance = 0;
      for (int i = 0; i < c.size; i++) {
        variance += (c.logits[i] - mean) * (c.logits[i] - mean);
      }
      float least = c.max() - n * (float) Math.sqrt(variance / c.size);
      int kept = 0;
      for (int i = 0; i < c.size; i++) {
        kept += c.logits[i] >= least ? 1 : 0;
      }
      c.sort(kept);
      c.truncate(Math.max(1, kept));
    }
  }

  /// Exclude top choices: with a probability, drops all but the least probable of the candidates whose
  /// probability reaches the threshold.
  record Xtc(float probability, float threshold, int minKeep) implements Stage {
    @Override
    public void apply(Candidates c, History history) {
      if (probability <= 0 || threshold > 0.5f || c.size < 2) {
        return;
      }
      if (c.draws.next() > probability) {
        return;
      }
      float max = c.max();
      double sum = c.expSum(max);
      int reach = 0;
      for (int i = 0; i < c.size; i++) {
        reach += (float) (Math.exp(c.logits[i] - max) / sum) < threshold ? 0 : 1;
      }
      // With the first of the others, as all stages leave what they have looked at in order.
      c.sort(reach + 1);
      int last = reach - 1;
      if (last > 0 && c.size - last >= minKeep) {
        c.dropFirst(last);
      }
    }
  }
}
