package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/// The machine's vector shape. Static finals, so that the JIT compiler sees constants.
///
/// There are no methods here that take or return vectors, nor in the kernels: such a method may be
/// compiled on its own before its callers are, is then too big to inline into them, and from then on
/// each of its vectors is an object on the heap. Only methods of the Vector API itself are always
/// inlined. For the same reason kernels are small: past some 18,000 nodes C2 stops inlining.
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

  /// All memory of the process, for kernels that read along rows: a constant, so that nothing is asked about
  /// a segment's kind, life and bounds within their loops. With segments of several kinds (mapped,
  /// allocated) those questions were most of a loop's instructions and halved the speed of decoding. Callers
  /// check first what they pass the address of, as for a native kernel, and keep it alive.
  static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private Lanes() {}

  /// An F16 number at byte `offset`.
  static float half(MemorySegment memory, long offset) {
    return Float.float16ToFloat(memory.get(SHORT, offset));
  }
}
