package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q5_K: 256 weights in 176 bytes, 8 sub-blocks with 6-bit scales and mins. See `block_q5_K` in
/// ggml-common.h.
///
/// ```
/// bytes 0–15   scales and mins: KQuantScales
/// bytes 16–47  fifth bits: bit s of byte i belongs to weight i of sub-block s
/// bytes 48–175 low four bits, as in Q4_K
/// ```
final class VectorQ5_K extends VectorKernel {
  private static final int WEIGHTS = 256;
  private static final int BYTES = 176;
  private static final int HIGH_BITS = KQuantScales.BYTES;
  private static final int QUANTS = HIGH_BITS + 32;
  private static final int PAIR_BYTES = 32;
  private static final int SUB_BLOCK = 32;

  @Override
  int sumLength() {
    return SUB_BLOCK;
  }

  @Override
  void multiply(
      MemorySegment w,
      long offset,
      long rowBytes,
      int rows,
      int cols,
      Input x,
      Scratch scratch,
      MemorySegment out,
      long outOffset) {
    int blocks = cols / WEIGHTS;
    for (int r = 0; r < rows; r++) {
      long row = offset + r * rowBytes;
      float mins = KQuantScales.unpackRow(w, row, blocks, BYTES, x.sums32, scratch);
      float dot = row(w, row, blocks, scratch.scales, x.memory, x.offset);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot - mins);
    }
  }

  private static float row(
      MemorySegment w, long row, int blocks, float[] scales, MemorySegment x, long xs) {
    FloatVector first = FloatVector.zero(Lanes.FLOATS);
    FloatVector second = first;
    for (int p = 0; p < blocks * 4; p++) {
      long block = row + (p >> 2) * (long) BYTES;
      int bit = 2 * (p & 3);
      long quants = block + QUANTS + (p & 3) * PAIR_BYTES;
      long in = xs + (long) p * 2 * SUB_BLOCK * Float.BYTES;
      FloatVector low = FloatVector.zero(Lanes.FLOATS);
      FloatVector high = low;
      for (int i = 0; i < SUB_BLOCK; i += Lanes.COUNT) {
        IntVector q = Lanes.unsignedBytes(w, quants + i);
        IntVector h =
            Lanes.unsignedBytes(w, block + HIGH_BITS + i).lanewise(VectorOperators.LSHR, bit);
        IntVector fifth = h.lanewise(VectorOperators.LSHL, 4).and(16);
        IntVector fifth2 = h.lanewise(VectorOperators.LSHL, 3).and(16);
        long at = in + (long) i * Float.BYTES;
        low = Lanes.toFloats(q.and(15).or(fifth)).fma(Lanes.floats(x, at), low);
        high =
            Lanes.toFloats(q.lanewise(VectorOperators.LSHR, 4).or(fifth2))
                .fma(Lanes.floats(x, at + SUB_BLOCK * Float.BYTES), high);
      }
      first = low.fma(FloatVector.broadcast(Lanes.FLOATS, scales[2 * p]), first);
      second = high.fma(FloatVector.broadcast(Lanes.FLOATS, scales[2 * p + 1]), second);
    }
    return Lanes.sum(first.add(second));
  }

  @Override
  void expand(
      MemorySegment w,
      long offset,
      long rowBytes,
      int rows,
      int cols,
      Scratch scratch,
      long panelOffset) {
    int[] words = scratch.words;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      transpose(w, offset + (long) b * BYTES, rowBytes, rows, BYTES / 4, words, 0);
      KQuantScales.unpackColumns(words, scratch.columnScales, scratch.columnBases);
      long to = panelOffset + (long) b * WEIGHTS * PANEL_STRIDE;
      for (int s = 0; s < 8; s++) {
        unpack(scratch, s, to + (long) s * SUB_BLOCK * PANEL_STRIDE);
      }
    }
  }

  /// Sub-block `s`.
  private static void unpack(Scratch scratch, int s, long to) {
    FloatVector scale = Lanes.floats(scratch.columnScales, s * Lanes.COUNT);
    FloatVector base = Lanes.floats(scratch.columnBases, s * Lanes.COUNT);
    int words = (QUANTS / 4 + s / 2 * (PAIR_BYTES / 4)) * Lanes.COUNT;
    int bits = HIGH_BITS / 4 * Lanes.COUNT;
    int shift = s % 2 * 4;
    for (int j = 0; j < PAIR_BYTES / 4; j++) {
      IntVector low =
          Lanes.ints(scratch.words, words + j * Lanes.COUNT)
              .lanewise(VectorOperators.LSHR, shift)
              .and(0x0F0F0F0F);
      IntVector high =
          Lanes.ints(scratch.words, bits + j * Lanes.COUNT)
              .lanewise(VectorOperators.LSHR, s)
              .and(0x01010101)
              .lanewise(VectorOperators.LSHL, 4);
      bytes(low.or(high), scale, base, scratch.panel, to + 4L * j * PANEL_STRIDE);
    }
  }
}
