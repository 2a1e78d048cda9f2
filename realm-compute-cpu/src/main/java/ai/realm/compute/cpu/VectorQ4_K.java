package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q4_K: 256 weights in 144 bytes, 8 sub-blocks with 6-bit scales and mins. See `block_q4_K` in
/// ggml-common.h.
///
/// ```
/// bytes 0–15   scales and mins: KQuantScales
/// bytes 16–143 quants: 4 pairs of sub-blocks; byte i of a pair's 32 holds weight i of the first in
///              its low half and weight i of the second in its high half
/// ```
final class VectorQ4_K extends VectorKernel {
  private static final int WEIGHTS = 256;
  private static final int BYTES = 144;
  private static final int PAIR_BYTES = 32;
  private static final int SUB_BLOCK = 32;

  @Override
  Interleaved interleaved() {
    return new InterleavedNibbles(true);
  }

  @Override
  int sumLength() {
    return SUB_BLOCK;
  }

  @Override
  void multiply(
      long address,
      long rowBytes,
      int rows,
      int cols,
      Input x,
      Scratch scratch,
      MemorySegment out,
      long outOffset) {
    int blocks = cols / WEIGHTS;
    for (int r = 0; r < rows; r++) {
      long row = address + r * rowBytes;
      float mins = KQuantScales.unpackRow(row, blocks, BYTES, x.sums32, scratch);
      float dot = row(row, blocks, scratch.scales, x.address);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot - mins);
    }
  }

  private static float row(long row, int blocks, float[] scales, long xs) {
    FloatVector first = FloatVector.zero(Lanes.FLOATS);
    FloatVector second = first;
    for (int p = 0; p < blocks * 4; p++) {
      long quants = row + (p >> 2) * (long) BYTES + KQuantScales.BYTES + (p & 3) * PAIR_BYTES;
      long in = xs + (long) p * 2 * SUB_BLOCK * Float.BYTES;
      FloatVector low = FloatVector.zero(Lanes.FLOATS);
      FloatVector high = low;
      for (int i = 0; i < SUB_BLOCK; i += Lanes.COUNT) {
        IntVector q =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, quants + i, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        long at = in + (long) i * Float.BYTES;
        low =
            ((FloatVector) q.and(15).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(
                    FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, at, Lanes.ORDER),
                    low);
        high =
            ((FloatVector)
                    q.lanewise(VectorOperators.LSHR, 4)
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(
                    FloatVector.fromMemorySegment(
                        Lanes.FLOATS, Lanes.MEMORY, at + SUB_BLOCK * Float.BYTES, Lanes.ORDER),
                    high);
      }
      first = low.fma(FloatVector.broadcast(Lanes.FLOATS, scales[2 * p]), first);
      second = high.fma(FloatVector.broadcast(Lanes.FLOATS, scales[2 * p + 1]), second);
    }
    return first.add(second).reduceLanes(VectorOperators.ADD);
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    int[] quants = scratch.quants;
    int words = SUB_BLOCK / 4;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      transpose(address + (long) b * BYTES, rowBytes, rows, BYTES / 4, scratch.words, 0);
      KQuantScales.unpackColumns(scratch.words, scratch.columnScales, scratch.columnBases);
      for (int s = 0; s < KQuantScales.COUNT; s++) {
        int low = (KQuantScales.BYTES / 4 + s / 2 * (PAIR_BYTES / 4)) * Lanes.COUNT;
        take(scratch.words, low, words, s % 2 * 4, 0x0F0F0F0F, quants);
        columns(
            quants,
            0,
            words,
            scratch.columnScales,
            scratch.columnBases,
            s * Lanes.COUNT,
            scratch.panel,
            panelOffset + ((long) b * WEIGHTS + s * SUB_BLOCK) * PANEL_STRIDE);
      }
    }
  }
}
