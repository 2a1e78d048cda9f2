package ai.realm.model;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Which experts each row of a step goes to, and with which weight. Scratch, reused by all layers.
final class Routing {
  /// How the router's logits become weights.
  enum Gating {
    /// Softmax over all experts.
    SOFTMAX,
    /// Sigmoid of each (DeepSeek V3).
    SIGMOID,
    /// Softmax over the selected only (gpt-oss).
    SOFTMAX_OF_SELECTED
  }

  /// Below it a sum of weights is not divided by, as in llama.cpp: the smallest normal half.
  private static final float MIN_SUM = 6.103515625e-5f;

  private final int experts;
  private final int used;
  private final int width;
  private final float[] logits;
  private final float[] scores;
  private final float[] groupScores;
  private final int[] selected;
  private final float[] weights;
  private final int[] expertRows;
  private final float[] expertWeights;
  private final float[] zeros;
  private final int[] identity;

  Routing(int maxRows, int experts, int used, int width) {
    this.experts = experts;
    this.used = used;
    this.width = width;
    logits = new float[maxRows * experts];
    scores = new float[experts];
    groupScores = new float[experts];
    selected = new int[maxRows * used];
    weights = new float[maxRows * used];
    expertRows = new int[maxRows];
    expertWeights = new float[maxRows];
    zeros = new float[maxRows * width];
    identity = new int[maxRows];
    Arrays.setAll(identity, i -> i);
  }

  boolean fits(int otherExperts, int otherUsed, int otherWidth) {
    return experts == otherExperts && used == otherUsed && width == otherWidth;
  }

  /// The router's logits (rows, experts), to be filled before [#select].
  float[] logits() {
    return logits;
  }

  /// Rows of zeros.
  float[] zeros() {
    return zeros;
  }

  /// 0, 1, 2 …
  int[] identity() {
    return identity;
  }

  /// Rows that the last [#collect] found.
  int[] expertRows() {
    return expertRows;
  }

  /// Their weights; also scratch for factors per row.
  float[] expertWeights() {
    return expertWeights;
  }

  /// Chooses the experts of `rows` rows.
  ///
  /// @param bias added to the scores for the choice only (DeepSeek V3), or null
  /// @param groups experts lie in this many groups of which `usedGroups` may be chosen from
  void select(
      int rows,
      Gating gating,
      float @Nullable [] bias,
      int groups,
      int usedGroups,
      boolean normalise,
      float scale) {
    for (int row = 0; row < rows; row++) {
      int base = row * experts;
      score(base, gating, bias);
      if (groups > 1) {
        maskGroups(groups, usedGroups);
      }
      float sum = 0;
      for (int k = 0; k < used; k++) {
        int best = 0;
        for (int e = 1; e < experts; e++) {
          if (scores[e] > scores[best]) {
            best = e;
          }
        }
        scores[best] = Float.NEGATIVE_INFINITY;
        selected[row * used + k] = best;
        weights[row * used + k] = logits[base + best];
        sum += logits[base + best];
      }
      if (gating == Gating.SOFTMAX_OF_SELECTED) {
        softmax(weights, row * used, used);
      } else if (normalise) {
        multiply(row, 1 / Math.max(sum, MIN_SUM));
      }
      multiply(row, scale);
    }
  }

  /// Turns a row's logits into weights and copies them, with the bias, to `scores`.
  private void score(int base, Gating gating, float @Nullable [] bias) {
    switch (gating) {
      case SOFTMAX -> softmax(logits, base, experts);
      case SIGMOID -> {
        for (int e = 0; e < experts; e++) {
          logits[base + e] = (float) (1 / (1 + Math.exp(-logits[base + e])));
        }
      }
      case SOFTMAX_OF_SELECTED -> {
        // Weights come from the selected logits afterwards.
      }
    }
    for (int e = 0; e < experts; e++) {
      float score = bias == null ? logits[base + e] : logits[base + e] + bias[e];
      // What is no number comes last, before what is chosen already; as a weight it stays what it
      // is.
      scores[e] = score >= -Float.MAX_VALUE ? score : -Float.MAX_VALUE;
    }
  }

  /// Leaves only the groups whose two best experts together score highest.
  private void maskGroups(int groups, int usedGroups) {
    int size = experts / groups;
    for (int g = 0; g < groups; g++) {
      float first = Float.NEGATIVE_INFINITY;
      float second = Float.NEGATIVE_INFINITY;
      for (int e = g * size; e < (g + 1) * size; e++) {
        if (scores[e] > first) {
          second = first;
          first = scores[e];
        } else {
          second = Math.max(second, scores[e]);
        }
      }
      groupScores[g] = size == 1 ? first : first + second;
    }
    for (int dropped = 0; dropped < groups - usedGroups; dropped++) {
      int worst = -1;
      for (int g = groups - 1; g >= 0; g--) {
        if (groupScores[g] < Float.POSITIVE_INFINITY
            && (worst < 0 || groupScores[g] < groupScores[worst])) {
          worst = g;
        }
      }
      if (worst < 0) {
        return;
      }
      groupScores[worst] = Float.POSITIVE_INFINITY;
      Arrays.fill(scores, worst * size, (worst + 1) * size, Float.NEGATIVE_INFINITY);
    }
  }

  private void multiply(int row, float factor) {
    for (int k = 0; k < used; k++) {
      weights[row * used + k] *= factor;
    }
  }

  private static void softmax(float[] values, int from, int count) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = from; i < from + count; i++) {
      max = Math.max(max, values[i]);
    }
    double sum = 0;
    for (int i = from; i < from + count; i++) {
      sum += Math.exp(values[i] - max);
    }
    for (int i = from; i < from + count; i++) {
      values[i] = (float) (Math.exp(values[i] - max) / sum);
    }
  }

  /// Finds the rows that go to expert `e` and returns how many.
  int collect(int e, int rows) {
    int n = 0;
    for (int i = 0; i < rows * used; i++) {
      if (selected[i] == e) {
        expertRows[n] = i / used;
        expertWeights[n] = weights[i];
        n++;
      }
    }
    return n;
  }
}
