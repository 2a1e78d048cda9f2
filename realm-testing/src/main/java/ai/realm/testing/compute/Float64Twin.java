package ai.realm.testing.compute;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.RopeStyle;
import org.jspecify.annotations.Nullable;

/// The operations in double over plain arrays, written from their definitions and from nothing else in
/// the repository.
final class Float64Twin {
  private Float64Twin() {}

  static double[] rmsNorm(float[] x, int n, int dim, float @Nullable [] w, float eps) {
    double[] out = new double[n * dim];
    for (int i = 0; i < n; i++) {
      double mean = 0;
      for (int j = 0; j < dim; j++) {
        mean += (double) x[i * dim + j] * x[i * dim + j] / dim;
      }
      for (int j = 0; j < dim; j++) {
        out[i * dim + j] = x[i * dim + j] / Math.sqrt(mean + eps) * (w == null ? 1 : w[j]);
      }
    }
    return out;
  }

  static double[] layerNorm(
      float[] x, int n, int dim, float @Nullable [] w, float @Nullable [] b, float eps) {
    double[] out = new double[n * dim];
    for (int i = 0; i < n; i++) {
      double mean = 0;
      for (int j = 0; j < dim; j++) {
        mean += (double) x[i * dim + j] / dim;
      }
      double variance = 0;
      for (int j = 0; j < dim; j++) {
        variance += (x[i * dim + j] - mean) * (x[i * dim + j] - mean) / dim;
      }
      for (int j = 0; j < dim; j++) {
        double normed = (x[i * dim + j] - mean) / Math.sqrt(variance + eps);
        out[i * dim + j] = normed * (w == null ? 1 : w[j]) + (b == null ? 0 : b[j]);
      }
    }
    return out;
  }

  /// `x (n, cols) · w (rows, cols)ᵀ`.
  static double[] matmul(float[] w, int rows, int cols, float[] x, int n) {
    double[] out = new double[n * rows];
    for (int i = 0; i < n; i++) {
      for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int j = 0; j < cols; j++) {
          sum += (double) w[r * cols + j] * x[i * cols + j];
        }
        out[i * rows + r] = sum;
      }
    }
    return out;
  }

  static double activate(Activation f, double x) {
    return switch (f) {
      case SILU -> x / (1 + Math.exp(-x));
      case GELU ->
          x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3)))) / 2;
      case GELU_ERF -> x * normalDistribution(x);
      case GELU_QUICK -> x / (1 + Math.exp(-1.702 * x));
      case RELU -> x > 0 ? x : 0;
      case RELU_SQUARED -> x > 0 ? x * x : 0;
      case SIGMOID -> 1 / (1 + Math.exp(-x));
    };
  }

  /// Φ by Simpson's rule over the density from 0; the tails are 0 and 1 to double precision.
  private static double normalDistribution(double x) {
    if (Math.abs(x) > 9) {
      return x < 0 ? 0 : 1;
    }
    int steps = 2000;
    double h = x / steps;
    double sum = density(0) + density(x);
    for (int i = 1; i < steps; i++) {
      sum += (i % 2 == 0 ? 2 : 4) * density(i * h);
    }
    return 0.5 + sum * h / 3;
  }

  private static double density(double x) {
    return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  }

  /// Rotates the first `dims` elements of each head of row i by `positions[i] · frequencies`.
  static double[] rope(
      float[] x,
      int[] positions,
      int heads,
      int headLength,
      float[] frequencies,
      float magnitude,
      RopeStyle style) {
    double[] out = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = x[i];
    }
    int pairs = frequencies.length;
    for (int i = 0; i < positions.length; i++) {
      for (int h = 0; h < heads; h++) {
        int head = (i * heads + h) * headLength;
        for (int j = 0; j < pairs; j++) {
          int a = head + (style == RopeStyle.HALVES ? j : 2 * j);
          int b = head + (style == RopeStyle.HALVES ? j + pairs : 2 * j + 1);
          double angle = (double) positions[i] * frequencies[j];
          out[a] = magnitude * (x[a] * Math.cos(angle) - x[b] * Math.sin(angle));
          out[b] = magnitude * (x[a] * Math.sin(angle) + x[b] * Math.cos(angle));
        }
      }
    }
    return out;
  }

  /// Attention of the queries at positions `first` … over all `keys.length / keyWidth` positions of
  /// one sequence. Shapes: q (rows, heads · keyLength), keys (positions, kvHeads · keyLength), values
  /// (positions, kvHeads · valueLength), result (rows, heads · valueLength).
  static double[] attention(
      float[] q,
      int first,
      float[] keys,
      float[] values,
      AttentionSpec spec,
      float @Nullable [] sinks) {
    int rows = q.length / (spec.heads() * spec.keyLength());
    int positions = keys.length / (spec.kvHeads() * spec.keyLength());
    double[] out = new double[rows * spec.heads() * spec.valueLength()];
    for (int i = 0; i < rows; i++) {
      for (int h = 0; h < spec.heads(); h++) {
        int g = h / (spec.heads() / spec.kvHeads());
        double[] weight = new double[positions];
        double sum = sinks == null ? 0 : Math.exp(sinks[h]);
        for (int t = 0; t < positions; t++) {
          int p = first + i;
          boolean seen =
              (!spec.causal() || t <= p) && (spec.window() <= 0 || t > p - spec.window());
          if (seen) {
            double score = 0;
            for (int j = 0; j < spec.keyLength(); j++) {
              score +=
                  (double) q[(i * spec.heads() + h) * spec.keyLength() + j]
                      * keys[(t * spec.kvHeads() + g) * spec.keyLength() + j];
            }
            score *= spec.scale();
            if (spec.softcap() > 0) {
              score = spec.softcap() * Math.tanh(score / spec.softcap());
            }
            score -= slope(h, spec) * Math.abs(p - t);
            weight[t] = Math.exp(score);
            sum += weight[t];
          }
        }
        for (int j = 0; j < spec.valueLength(); j++) {
          double value = 0;
          for (int t = 0; t < positions; t++) {
            value += weight[t] * values[(t * spec.kvHeads() + g) * spec.valueLength() + j];
          }
          out[(i * spec.heads() + h) * spec.valueLength() + j] = value / sum;
        }
      }
    }
    return out;
  }

  /// For 2ᵏ heads the slopes are 2^(−8·1/2ᵏ), 2^(−8·2/2ᵏ) … with 8 the maximum bias; further heads take
  /// every other slope of 2ᵏ⁺¹ heads.
  private static double slope(int head, AttentionSpec spec) {
    if (spec.maxAlibiBias() <= 0) {
      return 0;
    }
    int power = 1;
    while (power * 2 <= spec.heads()) {
      power *= 2;
    }
    return head < power
        ? Math.pow(2, -(double) spec.maxAlibiBias() * (head + 1) / power)
        : Math.pow(2, -(double) spec.maxAlibiBias() * (2 * (head - power) + 1) / (2 * power));
  }
}
