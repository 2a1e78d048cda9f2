package ai.realm.tensor;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Finds the scale, and where there is one the minimum, with which a group of weights survives rounding
/// best. Each search tries a range of scales, rounds, and solves the weighted least squares for the
/// rounded levels. The order of floating-point operations is that of `make_q*_quants` in
/// ggml-quants.c, because the bytes of a file depend on it. A group is `n` entries from `from` on, of
/// the values, their weights and their levels alike. Scratch memory makes it for one thread.
final class ScaleSearch {
  /// A group whose greatest magnitude is below this counts as all zero.
  static final float NOTHING = 1e-15f;

  private static final int REFINEMENTS = 5;

  private final int[] trial = new int[32];

  /// What [#affine] found besides the scale: how far below zero the levels begin.
  float min;

  /// The nearest whole number, ties to even, of a number below 2^22.
  static int nearest(float x) {
    return (Float.floatToRawIntBits(x + 12582912f) & 0x007f_ffff) - 0x0040_0000;
  }

  static int clamp(int low, int high, int x) {
    return Math.max(low, Math.min(high, x));
  }

  /// Cuts the fraction; what no int can hold becomes what x86 makes of it, so that blocks of
  /// vanishing weights get the same bytes.
  static int cut(double x) {
    return x > -2147483649.0 && x < 2147483648.0 ? (int) x : Integer.MIN_VALUE;
  }

  /// The nearest whole number, ties away from zero.
  static int round(float x) {
    return cut(x + Math.copySign(0.5, (double) x));
  }

  static float sqrt(float x) {
    return (float) Math.sqrt(x);
  }

  /// Σ x² of a group.
  static float squares(float[] x, int from, int n) {
    float sum = 0;
    for (int i = from; i < from + n; i++) {
      sum += x[i] * x[i];
    }
    return sum;
  }

  /// The first entry with the greatest magnitude.
  static float extreme(float[] x, int from, int n) {
    float extreme = 0;
    for (int i = from; i < from + n; i++) {
      if (Math.abs(x[i]) > Math.abs(extreme)) {
        extreme = x[i];
      }
    }
    return extreme;
  }

  /// x ≈ scale · (level − nmax), levels 0 to 2 · nmax − 1; weighted by x² where no weights are given.
  float symmetric(int n, int nmax, float[] x, float @Nullable [] weights, int[] levels, int from) {
    float max = extreme(x, from, n);
    if (Math.abs(max) < NOTHING) {
      Arrays.fill(levels, from, from + n, 0);
      return 0;
    }
    float scale = 0;
    float best = 0;
    for (int attempt = 0; attempt < 19; attempt++) {
      // First no step, then −9 to 9 without it.
      int step = attempt == 0 ? 0 : attempt <= 9 ? attempt - 10 : attempt - 9;
      float inverse = -(nmax + 0.1f * step) / max;
      float sumlx = 0;
      float suml2 = 0;
      for (int i = from; i < from + n; i++) {
        int l = clamp(-nmax, nmax - 1, nearest(inverse * x[i]));
        float w = weights == null ? x[i] * x[i] : weights[i];
        sumlx += w * x[i] * l;
        suml2 += w * l * l;
      }
      if (attempt == 0 || (suml2 > 0 && sumlx * sumlx > best * suml2)) {
        for (int i = from; i < from + n; i++) {
          levels[i] = nmax + clamp(-nmax, nmax - 1, nearest(inverse * x[i]));
        }
        scale = suml2 != 0 ? sumlx / suml2 : 0;
        best = scale * sumlx;
      }
    }
    return scale;
  }

  /// x ≈ scale · (level − nmax), weighted by x²; levels move one by one while that helps.
  float symmetricByDescent(int n, int nmax, float[] x, int[] levels, int from) {
    float max = extreme(x, from, n);
    if (Math.abs(max) < NOTHING) {
      Arrays.fill(levels, from, from + n, 0);
      return 0;
    }
    float inverse = -nmax / max;
    float sumlx = 0;
    float suml2 = 0;
    for (int i = from; i < from + n; i++) {
      int l = clamp(-nmax, nmax - 1, nearest(inverse * x[i]));
      levels[i] = l;
      float w = x[i] * x[i];
      sumlx += w * x[i] * l;
      suml2 += w * l * l;
    }
    boolean changed = true;
    for (int round = 0; round < REFINEMENTS && changed; round++) {
      changed = false;
      for (int i = from; i < from + n; i++) {
        float w = x[i] * x[i];
        float slx = sumlx - w * x[i] * levels[i];
        if (slx > 0) {
          float sl2 = suml2 - w * levels[i] * levels[i];
          int l = clamp(-nmax, nmax - 1, nearest(x[i] * sl2 / slx));
          if (l != levels[i]) {
            slx += w * x[i] * l;
            sl2 += w * l * l;
            if (sl2 > 0 && slx * slx * suml2 > sumlx * sumlx * sl2) {
              levels[i] = l;
              sumlx = slx;
              suml2 = sl2;
              changed = true;
            }
          }
        }
      }
    }
    for (int i = from; i < from + n; i++) {
      levels[i] += nmax;
    }
    return suml2 > 0 ? sumlx / suml2 : 0;
  }

  /// How [#affine] tries: inverse scales (first + k · step + nmax) / range, k from 0 to `steps`.
  ///
  /// @param absolute whether errors count by magnitude rather than by square
  record Tries(float first, float step, int steps, boolean absolute) {}

  /// x ≈ scale · level − min, levels 0 to nmax; min is not negative and left in [#min].
  float affine(int n, int nmax, float[] x, float[] weights, int[] levels, int from, Tries tries) {
    float low = x[from];
    float high = x[from];
    float sumW = weights[from];
    float sumX = sumW * x[from];
    for (int i = from + 1; i < from + n; i++) {
      low = x[i] < low ? x[i] : low;
      high = x[i] > high ? x[i] : high;
      sumW += weights[i];
      sumX += weights[i] * x[i];
    }
    low = low > 0 ? 0 : low;
    if (high <= low) {
      Arrays.fill(levels, from, from + n, 0);
      min = -low;
      return 0;
    }
    float range = high - low;
    float inverse = nmax / range;
    float offset = low;
    float scale = 1 / inverse;
    for (int i = 0; i < n; i++) {
      levels[from + i] = clamp(0, nmax, nearest(inverse * (x[from + i] - low)));
      trial[i] = levels[from + i];
    }
    float best = error(n, x, weights, from, scale, offset, tries.absolute);
    for (int k = 0; k <= tries.steps; k++) {
      inverse = (tries.first + tries.step * k + nmax) / range;
      float sumL = 0;
      float sumL2 = 0;
      float sumXl = 0;
      for (int i = 0; i < n; i++) {
        int l = clamp(0, nmax, nearest(inverse * (x[from + i] - offset)));
        trial[i] = l;
        float w = weights[from + i];
        sumL += w * l;
        sumL2 += w * l * l;
        sumXl += w * l * x[from + i];
      }
      float determinant = sumW * sumL2 - sumL * sumL;
      if (determinant > 0) {
        float newScale = (sumW * sumXl - sumX * sumL) / determinant;
        float newOffset = (sumL2 * sumX - sumL * sumXl) / determinant;
        if (newOffset > 0) {
          newOffset = 0;
          newScale = sumXl / sumL2;
        }
        float error = error(n, x, weights, from, newScale, newOffset, tries.absolute);
        if (error < best) {
          System.arraycopy(trial, 0, levels, from, n);
          best = error;
          scale = newScale;
          offset = newOffset;
          range = high - offset;
        }
      }
    }
    min = -offset;
    return scale;
  }

  private float error(
      int n, float[] x, float[] weights, int from, float scale, float offset, boolean absolute) {
    float error = 0;
    for (int i = 0; i < n; i++) {
      float diff = scale * trial[i] + offset - x[from + i];
      error += weights[from + i] * (absolute ? Math.abs(diff) : diff * diff);
    }
    return error;
  }

  /// x ≈ scale · level of values that are not negative, levels 0 to nmax.
  float positive(int n, int nmax, float[] x, float[] weights, int[] levels) {
    float max = 0;
    for (int i = 0; i < n; i++) {
      max = x[i] > max ? x[i] : max;
    }
    if (max < NOTHING) {
      Arrays.fill(levels, 0, n, 0);
      return 0;
    }
    float inverse = nmax / max;
    float best = 0;
    for (int i = 0; i < n; i++) {
      float diff = x[i] - 1 / inverse * (nearest(inverse * x[i]) & 0xff);
      best += weights[i] * diff * diff;
    }
    for (int step = -4; step <= 4; step++) {
      if (step == 0) {
        continue;
      }
      float tried = (0.1f * step + nmax) / max;
      float error = 0;
      for (int i = 0; i < n; i++) {
        float diff = x[i] - 1 / tried * Math.min(nmax, nearest(tried * x[i]));
        error += weights[i] * diff * diff;
      }
      if (error < best) {
        best = error;
        inverse = tried;
      }
    }
    float sumlx = 0;
    float suml2 = 0;
    for (int i = 0; i < n; i++) {
      int l = Math.min(nmax, nearest(inverse * x[i]));
      levels[i] = l & 0xff;
      sumlx += weights[i] * x[i] * l;
      suml2 += weights[i] * l * l;
    }
    boolean changed = true;
    for (int round = 0; round < REFINEMENTS && changed; round++) {
      changed = false;
      for (int i = 0; i < n; i++) {
        float w = weights[i];
        float slx = sumlx - w * x[i] * levels[i];
        float sl2 = suml2 - w * levels[i] * levels[i];
        if (slx > 0 && sl2 > 0) {
          int l = Math.min(nmax, nearest(x[i] * sl2 / slx));
          if (l != levels[i]) {
            slx += w * x[i] * l;
            sl2 += w * l * l;
            if (slx * slx * suml2 > sumlx * sumlx * sl2) {
              levels[i] = l;
              sumlx = slx;
              suml2 = sl2;
              changed = true;
            }
          }
        }
      }
    }
    return suml2 > 0 ? sumlx / suml2 : 0;
  }
}
