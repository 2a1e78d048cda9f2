package ai.realm.compute.cpu;

import ai.realm.compute.Activation;
import java.lang.foreign.MemorySegment;

/// The functions of [VectorElements] one float at a time, for short runs: see [SmallProducts] for why.
final class SmallFunctions {
  private static final float LOG2_E = 1.44269504f;
  private static final float LN2_HIGH = 0.693359375f;
  private static final float LN2_LOW = -2.12194440e-4f;
  private static final float MAX_EXPONENT = 88f;
  private static final float MIN_EXPONENT = -87.3f;

  /// Adding it to a float of less than 2²² leaves the nearest integer in the low bits.
  private static final float ROUND = 12582912f;

  private static final float GELU_FACTOR = (float) (2 * Math.sqrt(2 / Math.PI));

  private SmallFunctions() {}

  /// `x[i] = f(x[i])`, times `y[i]` where it is gated.
  static void activate(
      Activation f, MemorySegment x, MemorySegment y, boolean gated, long from, long to) {
    for (long i = from; i < to; i++) {
      long at = i * Float.BYTES;
      float value = apply(f, x.get(Lanes.FLOAT, at));
      x.set(Lanes.FLOAT, at, gated ? value * y.get(Lanes.FLOAT, at) : value);
    }
  }

  /// `gate = g · sigmoid(alpha · g) · (1 + u)`, both clamped.
  static void gateClamped(
      MemorySegment gate, MemorySegment up, float alpha, float limit, long from, long to) {
    for (long i = from; i < to; i++) {
      long at = i * Float.BYTES;
      float g = Math.min(gate.get(Lanes.FLOAT, at), limit);
      float u = Math.clamp(up.get(Lanes.FLOAT, at), -limit, limit);
      gate.set(Lanes.FLOAT, at, g / (1 + exp(-alpha * g)) * (1 + u));
    }
  }

  /// `x = cap · tanh(x / cap)`.
  static void softcap(MemorySegment x, float cap, long from, long to) {
    for (long i = from; i < to; i++) {
      long at = i * Float.BYTES;
      x.set(Lanes.FLOAT, at, (float) (cap * Math.tanh(x.get(Lanes.FLOAT, at) / cap)));
    }
  }

  private static float apply(Activation f, float x) {
    return switch (f) {
      case SILU -> x / (1 + exp(-x));
      case GELU -> x / (1 + exp(-GELU_FACTOR * x * (1 + 0.044715f * x * x)));
      case GELU_ERF -> (float) (0.5 * x * (1 + ErrorFunction.erf(x / Math.sqrt(2))));
      case GELU_QUICK -> x / (1 + exp(-1.702f * x));
      case RELU -> Math.max(x, 0);
      case RELU_SQUARED -> Math.max(x, 0) * Math.max(x, 0);
      case SIGMOID -> 1 / (1 + exp(-x));
    };
  }

  /// `e^x`, the polynomial of [VectorMath#exp].
  static float exp(float x) {
    if (x < MIN_EXPONENT) {
      return 0;
    }
    float clamped = Math.min(x, MAX_EXPONENT);
    float shifted = clamped * LOG2_E + ROUND;
    float n = shifted - ROUND;
    float r = clamped - n * LN2_HIGH - n * LN2_LOW;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    return Float.intBitsToFloat(
        Float.floatToRawIntBits(p) + (Float.floatToRawIntBits(shifted) << 23));
  }
}
