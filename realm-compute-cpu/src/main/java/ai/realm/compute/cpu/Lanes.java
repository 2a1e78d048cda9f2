package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// The machine's vector shape and the loads that all kernels share. Static finals, so that the JIT
/// compiler sees constants; everything here inlines into the kernels.
final class Lanes {
  /// Floats of a vector register of the preferred width.
  static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;

  static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

  /// Floats in a vector.
  static final int COUNT = FLOATS.length();

  /// Bytes of a vector of floats.
  static final int BYTES = COUNT * Float.BYTES;

  /// As many bytes as a vector has floats. There is none for 128-bit registers, where kernels that
  /// read along rows are not used: see [VectorKernel#readsRows].
  static final VectorSpecies<Byte> QUANTS =
      COUNT >= 16 ? ByteVector.SPECIES_128 : ByteVector.SPECIES_64;

  /// GGUF and these machines are little-endian.
  static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

  static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Lanes() {}

  /// Floats at byte `offset`.
  static FloatVector floats(MemorySegment memory, long offset) {
    return FloatVector.fromMemorySegment(FLOATS, memory, offset, ORDER);
  }

  /// Ints at byte `offset`.
  static IntVector ints(MemorySegment memory, long offset) {
    return IntVector.fromMemorySegment(INTS, memory, offset, ORDER);
  }

  /// Unsigned bytes at `offset`, one per lane.
  static IntVector unsignedBytes(MemorySegment memory, long offset) {
    return (IntVector)
        ByteVector.fromMemorySegment(QUANTS, memory, offset, ORDER)
            .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
  }

  /// Signed bytes at `offset` as floats, one per lane.
  static FloatVector signedBytes(MemorySegment memory, long offset) {
    return (FloatVector)
        ByteVector.fromMemorySegment(QUANTS, memory, offset, ORDER)
            .convertShape(VectorOperators.B2F, FLOATS, 0);
  }

  /// Ints converted to floats.
  static FloatVector toFloats(IntVector ints) {
    return (FloatVector) ints.convertShape(VectorOperators.I2F, FLOATS, 0);
  }

  /// An F16 number at byte `offset`.
  static float half(MemorySegment memory, long offset) {
    return Float.float16ToFloat(memory.get(SHORT, offset));
  }

  /// Sum of the lanes.
  static float sum(FloatVector v) {
    return v.reduceLanes(VectorOperators.ADD);
  }

  /// F16 numbers in the low 16 bits of each lane as floats, exactly: the exponent is rebiased by
  /// integer addition, and subnormals are renormalized by subtracting the float that the rebiased
  /// exponent of zero stands for.
  static FloatVector halves(IntVector bits) {
    IntVector magnitude = bits.and(0x7FFF).lanewise(VectorOperators.LSHL, 13);
    IntVector sign = bits.and(0x8000).lanewise(VectorOperators.LSHL, 16);
    FloatVector normal = magnitude.add(112 << 23).reinterpretAsFloats();
    FloatVector subnormal =
        magnitude.add(113 << 23).reinterpretAsFloats().sub(Float.intBitsToFloat(113 << 23));
    FloatVector special = magnitude.or(0x7F800000).reinterpretAsFloats();
    FloatVector value =
        normal
            .blend(subnormal, magnitude.compare(VectorOperators.LT, 1 << 23).cast(FLOATS))
            .blend(special, magnitude.compare(VectorOperators.GE, 31 << 23).cast(FLOATS));
    return value.reinterpretAsInts().or(sign).reinterpretAsFloats();
  }
}
