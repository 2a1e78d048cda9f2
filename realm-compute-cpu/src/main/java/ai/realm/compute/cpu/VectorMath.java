package ai.realm.compute.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Elementary functions lane by lane, to about 2e-7 relative. Polynomials as in the Cephes library
/// (Moshier, `expf.c`, `tanhf.c`); the error function after Abramowitz and Stegun 7.1.26.
final class VectorMath {
  private static final float LOG2_E = 1.44269504f;
  private static final float LN2_HIGH = 0.693359375f;
  private static final float LN2_LOW = -2.12194440e-4f;

  /// Adding it to a float of less than 2²² leaves the nearest integer in the low bits.
  private static final float ROUND = 12582912f;

  /// Beyond these, e^x leaves the normal floats.
  private static final float MAX_EXPONENT = 88f;

  private static final float MIN_EXPONENT = -87.3f;

  private VectorMath() {}

  /// `e^x`; 0 below −87.3, at most e^88.
  static FloatVector exp(FloatVector x) {
    FloatVector clamped = x.min(MAX_EXPONENT).max(MIN_EXPONENT);
    FloatVector shifted = clamped.fma(broadcast(LOG2_E), broadcast(ROUND));
    FloatVector n = shifted.sub(ROUND);
    FloatVector r = n.fma(broadcast(-LN2_LOW), n.fma(broadcast(-LN2_HIGH), clamped));
    FloatVector p = r.fma(broadcast(1.9875691500e-4f), broadcast(1.3981999507e-3f));
    p = p.fma(r, broadcast(8.3334519073e-3f));
    p = p.fma(r, broadcast(4.1665795894e-2f));
    p = p.fma(r, broadcast(1.6666665459e-1f));
    p = p.fma(r, broadcast(5.0000001201e-1f));
    p = p.fma(r.mul(r), r).add(1);
    FloatVector value =
        p.reinterpretAsInts()
            .add(shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
            .reinterpretAsFloats();
    return value.blend(0, x.compare(VectorOperators.LT, MIN_EXPONENT));
  }

  /// `1 / (1 + e^−x)`.
  static FloatVector sigmoid(FloatVector x) {
    return broadcast(1).div(exp(x.neg()).add(1));
  }

  /// `tanh x`.
  static FloatVector tanh(FloatVector x) {
    FloatVector z = x.mul(x);
    FloatVector p = z.fma(broadcast(-5.70498872745e-3f), broadcast(2.06390887954e-2f));
    p = p.fma(z, broadcast(-5.37397155531e-2f));
    p = p.fma(z, broadcast(1.33314422036e-1f));
    p = p.fma(z, broadcast(-3.33332819422e-1f));
    FloatVector small = p.mul(z).fma(x, x);
    FloatVector magnitude = broadcast(1).sub(broadcast(2).div(exp(x.abs().mul(2)).add(1)));
    FloatVector large = magnitude.blend(magnitude.neg(), x.compare(VectorOperators.LT, 0));
    return small.blend(large, x.abs().compare(VectorOperators.GE, 0.625f));
  }

  /// `x · Φ(x)`, with Φ from the complementary error function, which keeps its digits where it is
  /// small.
  static FloatVector geluErf(FloatVector x) {
    FloatVector z = x.abs().mul((float) Math.sqrt(0.5));
    FloatVector t = broadcast(1).div(z.fma(broadcast(0.3275911f), broadcast(1)));
    FloatVector p = t.fma(broadcast(1.061405429f), broadcast(-1.453152027f));
    p = p.fma(t, broadcast(1.421413741f));
    p = p.fma(t, broadcast(-0.284496736f));
    p = p.fma(t, broadcast(0.254829592f));
    FloatVector half = p.mul(t).mul(exp(z.mul(z).neg())).mul(0.5f);
    FloatVector phi = broadcast(1).sub(half).blend(half, x.compare(VectorOperators.LT, 0));
    return x.mul(phi);
  }

  private static FloatVector broadcast(float value) {
    return FloatVector.broadcast(Lanes.FLOATS, value);
  }
}
