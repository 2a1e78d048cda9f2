package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

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

  /// A block's scales as floats, whatever the preferred width is.
  private static final VectorSpecies<Float> EIGHT = FloatVector.SPECIES_256;

  private static final VectorSpecies<Byte> EIGHT_BYTES = ByteVector.SPECIES_64;
  private static final int SIX_BITS = 0x3F3F3F3F;
  private static final int FOUR_BITS = 0x0F0F0F0F;
  private static final int TWO_BITS = 0x03030303;

  private KQuantScales() {}

  /// Unpacks the scales of a row's sub-blocks into `scratch.scales` and returns `Σ min · Σ x`, to be
  /// subtracted from the row's product.
  ///
  /// @param sums sums of the input over sub-blocks
  static float unpackRow(long row, int blocks, int blockBytes, float[] sums, Scratch scratch) {
    float[] scales = scratch.scales(blocks * COUNT);
    float[] factors = scratch.mins(blocks * 2);
    MemorySegment bytes = scratch.bytes(blocks * 2 * COUNT);
    spread(row, blocks, blockBytes, factors, bytes);
    return convert(blocks, scales, factors, bytes, sums);
  }

  /// One byte per scale and min, 8 and 8 for a block. Its own loop, so that the bytes have reached the
  /// cache when they are read again at another width.
  private static void spread(
      long row, int blocks, int blockBytes, float[] factors, MemorySegment bytes) {
    for (int b = 0; b < blocks; b++) {
      long block = row + (long) b * blockBytes;
      factors[2 * b] = Lanes.half(Lanes.MEMORY, block);
      factors[2 * b + 1] = Lanes.half(Lanes.MEMORY, block + 2);
      int first = Lanes.MEMORY.get(Lanes.INT, block + 4);
      int second = Lanes.MEMORY.get(Lanes.INT, block + 8);
      int third = Lanes.MEMORY.get(Lanes.INT, block + 12);
      long to = (long) b * 2 * COUNT;
      bytes.set(Lanes.INT, to, low(first));
      bytes.set(Lanes.INT, to + 4, high(first, third));
      bytes.set(Lanes.INT, to + 8, low(second));
      bytes.set(Lanes.INT, to + 12, high(second, third >>> 4));
    }
  }

  /// The first four scales or mins, a byte each.
  ///
  /// @param first bytes 4–7 of the head for scales, 8–11 for mins
  static int low(int first) {
    return first & SIX_BITS;
  }

  /// The last four.
  ///
  /// @param third bytes 12–15 for scales, shifted right by 4 for mins
  static int high(int first, int third) {
    return (third & FOUR_BITS) | (first >>> 6 & TWO_BITS) << 4;
  }

  private static float convert(
      int blocks, float[] scales, float[] factors, MemorySegment bytes, float[] sums) {
    FloatVector sum = FloatVector.zero(EIGHT);
    for (int b = 0; b < blocks; b++) {
      long from = (long) b * 2 * COUNT;
      ((FloatVector)
              ByteVector.fromMemorySegment(EIGHT_BYTES, bytes, from, Lanes.ORDER)
                  .convertShape(VectorOperators.B2F, EIGHT, 0))
          .mul(factors[2 * b])
          .intoArray(scales, b * COUNT);
      sum =
          ((FloatVector)
                  ByteVector.fromMemorySegment(EIGHT_BYTES, bytes, from + COUNT, Lanes.ORDER)
                      .convertShape(VectorOperators.B2F, EIGHT, 0))
              .mul(factors[2 * b + 1])
              .fma(FloatVector.fromArray(EIGHT, sums, b * COUNT), sum);
    }
    return sum.reduceLanes(VectorOperators.ADD);
  }

  /// Scales and negated mins of a block of each row, from the transposed words 0 to 3 of the head:
  /// `(8, Lanes.COUNT)` each.
  static void unpackColumns(int[] words, float[] scales, float[] bases) {
    for (int r = 0; r < Lanes.COUNT; r++) {
      int factors = words[r];
      float scale = Float.float16ToFloat((short) factors);
      float min = -Float.float16ToFloat((short) (factors >>> 16));
      int first = words[Lanes.COUNT + r];
      int second = words[2 * Lanes.COUNT + r];
      int third = words[3 * Lanes.COUNT + r];
      int low = low(first);
      int high = high(first, third);
      int lowMin = low(second);
      int highMin = high(second, third >>> 4);
      for (int j = 0; j < 4; j++) {
        int at = j * Lanes.COUNT + r;
        scales[at] = scale * (low >>> 8 * j & 255);
        scales[at + 4 * Lanes.COUNT] = scale * (high >>> 8 * j & 255);
        bases[at] = min * (lowMin >>> 8 * j & 255);
        bases[at + 4 * Lanes.COUNT] = min * (highMin >>> 8 * j & 255);
      }
    }
  }
}
