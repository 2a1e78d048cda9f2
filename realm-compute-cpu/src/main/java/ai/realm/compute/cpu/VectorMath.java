package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Functions over whole vectors of floats in memory, a pass each: see [Lanes] for why they are not
/// functions of one vector. Counts are multiples of [Lanes#COUNT].
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

  /// `x = e^x`, to about 2e-7 relative; 0 below −87.3, at most e^88. Polynomial of `expf` in the Cephes
  /// library (Moshier).
  static void exp(MemorySegment x, long offset, int count) {
    FloatVector one = FloatVector.broadcast(Lanes.FLOATS, 1);
    FloatVector round = FloatVector.broadcast(Lanes.FLOATS, ROUND);
    FloatVector c0 = FloatVector.broadcast(Lanes.FLOATS, 1.9875691500e-4f);
    FloatVector c1 = FloatVector.broadcast(Lanes.FLOATS, 1.3981999507e-3f);
    FloatVector c2 = FloatVector.broadcast(Lanes.FLOATS, 8.3334519073e-3f);
    FloatVector c3 = FloatVector.broadcast(Lanes.FLOATS, 4.1665795894e-2f);
    FloatVector c4 = FloatVector.broadcast(Lanes.FLOATS, 1.6666665459e-1f);
    FloatVector c5 = FloatVector.broadcast(Lanes.FLOATS, 5.0000001201e-1f);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      long at = offset + (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Lanes.FLOATS, x, at, Lanes.ORDER);
      FloatVector clamped = v.min(MAX_EXPONENT).max(MIN_EXPONENT);
      FloatVector shifted = clamped.mul(LOG2_E).add(round);
      FloatVector n = shifted.sub(round);
      FloatVector r = clamped.sub(n.mul(LN2_HIGH)).sub(n.mul(LN2_LOW));
      FloatVector p = c0.fma(r, c1).fma(r, c2).fma(r, c3).fma(r, c4).fma(r, c5);
      p = p.fma(r.mul(r), r).add(one);
      p.reinterpretAsInts()
          .add(shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
          .reinterpretAsFloats()
          .blend(0, v.compare(VectorOperators.LT, MIN_EXPONENT))
          .intoMemorySegment(x, at, Lanes.ORDER);
    }
  }

  /// `x = tanh x`, to about 3e-7 relative: a polynomial near 0 (`tanhf` in the Cephes library), else
  /// `1 − 2 / (e^2|x| + 1)`.
  ///
  /// @param t scratch memory for `count` floats
  static void tanh(MemorySegment x, long offset, int count, MemorySegment t) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector.fromMemorySegment(Lanes.FLOATS, x, offset + at, Lanes.ORDER)
          .abs()
          .mul(2)
          .intoMemorySegment(t, at, Lanes.ORDER);
    }
    exp(t, 0, count);
    FloatVector one = FloatVector.broadcast(Lanes.FLOATS, 1);
    FloatVector c0 = FloatVector.broadcast(Lanes.FLOATS, -5.70498872745e-3f);
    FloatVector c1 = FloatVector.broadcast(Lanes.FLOATS, 2.06390887954e-2f);
    FloatVector c2 = FloatVector.broadcast(Lanes.FLOATS, -5.37397155531e-2f);
    FloatVector c3 = FloatVector.broadcast(Lanes.FLOATS, 1.33314422036e-1f);
    FloatVector c4 = FloatVector.broadcast(Lanes.FLOATS, -3.33332819422e-1f);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Lanes.FLOATS, x, offset + at, Lanes.ORDER);
      FloatVector e = FloatVector.fromMemorySegment(Lanes.FLOATS, t, at, Lanes.ORDER);
      FloatVector z = v.mul(v);
      FloatVector p = c0.fma(z, c1).fma(z, c2).fma(z, c3).fma(z, c4);
      FloatVector small = p.mul(z).fma(v, v);
      FloatVector large = one.sub(one.add(1).div(e.add(1)));
      FloatVector signed = large.blend(large.neg(), v.compare(VectorOperators.LT, 0));
      small
          .blend(signed, v.abs().compare(VectorOperators.GE, 0.625f))
          .intoMemorySegment(x, offset + at, Lanes.ORDER);
    }
  }
}
