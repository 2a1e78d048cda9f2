package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// The head that Q4_K and Q5_K share: 16 bytes for 8 sub-blocks of 32 weights.
///
/// ```
/// bytes 0–1  scale of the scales, F16
/// bytes 2–3  scale of the mins, F16
/// bytes 4–7  scales 0–3 in bits 0–5; bits 6–7 are bits 4–5 of scales 4–7
/// bytes 8–11 mins 0–3 in bits 0–5; bits 6–7 are bits 4–5 of mins 4–7
/// bytes 12–15 low 4 bits: scales 4–7; high 4 bits: mins 4–7
/// ```
///
/// A weight is `scale · quant − min`. See `get_scale_min_k4` in ggml-quants.c.
final class KQuantScales {
  /// Bytes of the head.
  static final int BYTES = 16;

  /// Sub-blocks of a block.
  static final int COUNT = 8;

  private static final int SIX_BITS = 0x3F3F3F3F;
  private static final int FOUR_BITS = 0x0F0F0F0F;
  private static final int TWO_BITS = 0x03030303;

  private KQuantScales() {}

  /// Unpacks the scales of a row's sub-blocks into `scratch.scales` and returns `Σ min · Σ x`, to be
  /// subtracted from the row's product.
  ///
  /// @param sums sums of the input over sub-blocks
  static float unpackRow(
      MemorySegment w, long row, int blocks, int blockBytes, float[] sums, Scratch scratch) {
    int count = blocks * COUNT;
    float[] scales = scratch.scales(count + Lanes.COUNT);
    float[] mins = scratch.mins(count + Lanes.COUNT);
    MemorySegment bytes = scratch.bytes(2 * (count + Lanes.COUNT));
    long minBytes = count + Lanes.COUNT;
    spread(w, row, blocks, blockBytes, scales, mins, bytes, minBytes);
    return convert(count, scales, mins, bytes, minBytes, sums);
  }

  /// One byte per scale and min, in two runs of `bytes`; the F16 factors repeated per sub-block.
  private static void spread(
      MemorySegment w,
      long row,
      int blocks,
      int blockBytes,
      float[] scales,
      float[] mins,
      MemorySegment bytes,
      long minBytes) {
    for (int b = 0; b < blocks; b++) {
      long block = row + (long) b * blockBytes;
      float scale = Lanes.half(w, block);
      float min = Lanes.half(w, block + 2);
      int to = b * COUNT;
      for (int j = 0; j < COUNT; j++) {
        scales[to + j] = scale;
        mins[to + j] = min;
      }
      int first = w.get(Lanes.INT, block + 4);
      int second = w.get(Lanes.INT, block + 8);
      int third = w.get(Lanes.INT, block + 12);
      bytes.set(Lanes.INT, to, first & SIX_BITS);
      bytes.set(Lanes.INT, to + 4L, (third & FOUR_BITS) | (first >>> 6 & TWO_BITS) << 4);
      bytes.set(Lanes.INT, minBytes + to, second & SIX_BITS);
      bytes.set(
          Lanes.INT, minBytes + to + 4, (third >>> 4 & FOUR_BITS) | (second >>> 6 & TWO_BITS) << 4);
    }
    // The last vector may reach beyond the sub-blocks there are: it then adds zeros.
    for (int i = blocks * COUNT; i < blocks * COUNT + Lanes.COUNT; i++) {
      mins[i] = 0;
    }
  }

  private static float convert(
      int count, float[] scales, float[] mins, MemorySegment bytes, long minBytes, float[] sums) {
    FloatVector sum = FloatVector.zero(Lanes.FLOATS);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      Lanes.signedBytes(bytes, i)
          .mul(FloatVector.fromArray(Lanes.FLOATS, scales, i))
          .intoArray(scales, i);
      sum =
          Lanes.signedBytes(bytes, minBytes + i)
              .mul(FloatVector.fromArray(Lanes.FLOATS, mins, i))
              .fma(FloatVector.fromArray(Lanes.FLOATS, sums, i), sum);
    }
    return Lanes.sum(sum);
  }

  /// Scale of sub-block `j` of each row from transposed words 0 to 3 of the head.
  static FloatVector scale(MemorySegment words, int j) {
    IntVector quant =
        j < 4
            ? bits(words, 1, 8 * j, 63)
            : bits(words, 3, 8 * (j - 4), 15)
                .or(bits(words, 1, 8 * (j - 4) + 6, 3).lanewise(VectorOperators.LSHL, 4));
    return Lanes.toFloats(quant).mul(Lanes.halves(Lanes.ints(words, 0).and(0xFFFF)));
  }

  /// Min of sub-block `j` of each row, negated.
  static FloatVector negatedMin(MemorySegment words, int j) {
    IntVector quant =
        j < 4
            ? bits(words, 2, 8 * j, 63)
            : bits(words, 3, 8 * (j - 4) + 4, 15)
                .or(bits(words, 2, 8 * (j - 4) + 6, 3).lanewise(VectorOperators.LSHL, 4));
    return Lanes.toFloats(quant)
        .mul(Lanes.halves(Lanes.ints(words, 0).lanewise(VectorOperators.LSHR, 16)))
        .neg();
  }

  private static IntVector bits(MemorySegment words, int word, int shift, int mask) {
    return Lanes.ints(words, (long) word * Lanes.BYTES)
        .lanewise(VectorOperators.LSHR, shift)
        .and(mask);
  }
}
