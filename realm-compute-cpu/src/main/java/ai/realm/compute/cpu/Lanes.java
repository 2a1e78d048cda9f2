package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
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

  /// As many 16-bit numbers as a vector has floats.
  static final VectorSpecies<Short> HALVES =
      COUNT >= 16
          ? ShortVector.SPECIES_256
          : COUNT >= 8 ? ShortVector.SPECIES_128 : ShortVector.SPECIES_64;

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

  /// Ints from index `i`.
  static IntVector ints(int[] array, int i) {
    return IntVector.fromArray(INTS, array, i);
  }

  /// Floats from index `i`.
  static FloatVector floats(float[] array, int i) {
    return FloatVector.fromArray(FLOATS, array, i);
  }

  /// Unsigned bytes at `offset`, one per lane.
  static IntVector unsignedBytes(MemorySegment memory, long offset) {
    return (IntVector)
        ByteVector.fromMemorySegment(QUANTS, memory, offset, ORDER)
            .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
  }

  /// Unsigned 16-bit numbers at byte `offset`, one per lane.
  static IntVector unsignedShorts(MemorySegment memory, long offset) {
    return (IntVector)
        ShortVector.fromMemorySegment(HALVES, memory, offset, ORDER)
            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
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
}
