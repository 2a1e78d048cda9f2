package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q4_0: 32 weights in 18 bytes, an F16 scale and 16 bytes of two quants, each address by 8; byte i holds
/// weight i in its low half and weight i + 16 in its high half. See `block_q4_0` in ggml-common.h.
final class VectorQ4_0 extends VectorKernel {
  private static final int WEIGHTS = 32;
  private static final int BYTES = 18;
  private static final int QUANTS = 2;
  private static final int OFFSET = 8;

  @Override
  Interleaved interleaved() {
    return new InterleavedNibbles(false);
  }

  @Override
  int sumLength() {
    return WEIGHTS;
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
    float[] scales = scratch.scales(blocks + Lanes.COUNT);
    short[] bits = scratch.shorts(blocks);
    for (int r = 0; r < rows; r++) {
      long row = address + r * rowBytes;
      float offsets = offsets(row, blocks, bits, scales, x.sums32);
      float dot = row(row, blocks, scales, x.address);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot - OFFSET * offsets);
    }
  }

  /// Collects the scales of a row and returns `Σ scale · Σ x`, what the quants' offset weighs.
  private static float offsets(long row, int blocks, short[] bits, float[] scales, float[] sums) {
    for (int b = 0; b < blocks; b++) {
      bits[b] = Lanes.MEMORY.get(Lanes.SHORT, row + (long) b * BYTES);
    }
    for (int b = 0; b < blocks; b++) {
      scales[b] = Float.float16ToFloat(bits[b]);
    }
    FloatVector sum = FloatVector.zero(Lanes.FLOATS);
    int whole = Lanes.FLOATS.loopBound(blocks);
    for (int b = 0; b < whole; b += Lanes.COUNT) {
      sum =
          FloatVector.fromArray(Lanes.FLOATS, scales, b)
              .fma(FloatVector.fromArray(Lanes.FLOATS, sums, b), sum);
    }
    float tail = 0;
    for (int b = whole; b < blocks; b++) {
      tail += scales[b] * sums[b];
    }
    return sum.reduceLanes(VectorOperators.ADD) + tail;
  }

  private static float row(long row, int blocks, float[] scales, long xs) {
    FloatVector sum = FloatVector.zero(Lanes.FLOATS);
    for (int b = 0; b < blocks; b++) {
      long quants = row + (long) b * BYTES + QUANTS;
      long in = xs + (long) b * WEIGHTS * Float.BYTES;
      FloatVector dot = FloatVector.zero(Lanes.FLOATS);
      for (int i = 0; i < WEIGHTS / 2; i += Lanes.COUNT) {
        IntVector q =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, quants + i, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        long at = in + (long) i * Float.BYTES;
        dot =
            ((FloatVector) q.and(15).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(
                    FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, at, Lanes.ORDER),
                    dot);
        dot =
            ((FloatVector)
                    q.lanewise(VectorOperators.LSHR, 4)
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(
                    FloatVector.fromMemorySegment(
                        Lanes.FLOATS, Lanes.MEMORY, at + WEIGHTS / 2 * Float.BYTES, Lanes.ORDER),
                    dot);
      }
      sum = dot.fma(FloatVector.broadcast(Lanes.FLOATS, scales[b]), sum);
    }
    return sum.reduceLanes(VectorOperators.ADD);
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    float[] scales = scratch.columnScales;
    float[] bases = scratch.columnBases;
    int words = WEIGHTS / 8;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      long block = address + (long) b * BYTES;
      transposeScale(block, rowBytes, rows, OFFSET, scales, bases);
      transpose(block + QUANTS, rowBytes, rows, words, scratch.words, 0);
      long to = panelOffset + (long) b * WEIGHTS * PANEL_STRIDE;
      take(scratch.words, 0, words, 0, 0x0F0F0F0F, scratch.quants);
      columns(scratch.quants, 0, words, scales, bases, 0, scratch.panel, to);
      to += WEIGHTS / 2 * PANEL_STRIDE;
      take(scratch.words, 0, words, 4, 0x0F0F0F0F, scratch.quants);
      columns(scratch.quants, 0, words, scales, bases, 0, scratch.panel, to);
    }
  }
}
