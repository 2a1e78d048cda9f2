package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Q8_0 with lanes as rows.
///
/// ```
/// heads     of a block of 32: the F16 scales
/// quants    of a block: 32 lines, column k in line k
/// ```
final class InterleavedBytes extends Interleaved {
  private static final int WEIGHTS = 32;
  private static final int LINES = 32;

  @Override
  long headBytes(int cols) {
    return (long) cols / WEIGHTS * Lanes.COUNT * Short.BYTES;
  }

  @Override
  long quantBytes(int cols) {
    return (long) cols * Lanes.COUNT;
  }

  @Override
  int blockColumns() {
    return WEIGHTS;
  }

  @Override
  void packBlock(MemorySegment from, long offset, long head, long quants, int lane) {
    putHalf(head + 2L * lane, from, offset);
    for (int k = 0; k < WEIGHTS; k++) {
      put(quants + (long) k * Lanes.COUNT + lane, get(from, offset + 2 + k));
    }
  }

  @Override
  void unpackHeads(long[] panels, int cols, Scratch scratch) {
    int perPanel = cols / WEIGHTS * Lanes.COUNT;
    float[] scales = scratch.scales(STREAMS * perPanel);
    short[] bits = scratch.shorts(perPanel);
    for (int s = 0; s < STREAMS; s++) {
      halves(panels[s], bits, scales, s * perPanel, perPanel);
    }
  }

  @Override
  void multiply(long[] panels, int cols, Input x, Scratch scratch, float[] out) {
    long quants = align(headBytes(cols));
    multiply(
        panels[0] + quants,
        panels[1] + quants,
        panels[2] + quants,
        panels[3] + quants,
        cols / WEIGHTS,
        scratch.scales,
        x.address,
        out);
  }

  private static void multiply(
      long p0, long p1, long p2, long p3, int blocks, float[] scales, long xs, float[] out) {
    int next = blocks * Lanes.COUNT;
    FloatVector zero = FloatVector.zero(Lanes.FLOATS);
    FloatVector s0 = zero;
    FloatVector s1 = zero;
    FloatVector s2 = zero;
    FloatVector s3 = zero;
    for (int b = 0; b < blocks; b++) {
      FloatVector a0 = zero;
      FloatVector a1 = zero;
      FloatVector a2 = zero;
      FloatVector a3 = zero;
      for (int k = 0; k < LINES; k++) {
        long at = ((long) b * LINES + k) * Lanes.COUNT;
        FloatVector x =
            FloatVector.broadcast(
                Lanes.FLOATS,
                Lanes.MEMORY.get(Lanes.FLOAT, xs + ((long) b * LINES + k) * Float.BYTES));
        a0 =
            ((FloatVector)
                    ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p0 + at, Lanes.ORDER)
                        .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
                .fma(x, a0);
        a1 =
            ((FloatVector)
                    ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p1 + at, Lanes.ORDER)
                        .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
                .fma(x, a1);
        a2 =
            ((FloatVector)
                    ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p2 + at, Lanes.ORDER)
                        .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
                .fma(x, a2);
        a3 =
            ((FloatVector)
                    ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p3 + at, Lanes.ORDER)
                        .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
                .fma(x, a3);
      }
      int s = b * Lanes.COUNT;
      s0 = a0.fma(FloatVector.fromArray(Lanes.FLOATS, scales, s), s0);
      s1 = a1.fma(FloatVector.fromArray(Lanes.FLOATS, scales, s + next), s1);
      s2 = a2.fma(FloatVector.fromArray(Lanes.FLOATS, scales, s + 2 * next), s2);
      s3 = a3.fma(FloatVector.fromArray(Lanes.FLOATS, scales, s + 3 * next), s3);
    }
    s0.intoArray(out, 0);
    s1.intoArray(out, Lanes.COUNT);
    s2.intoArray(out, 2 * Lanes.COUNT);
    s3.intoArray(out, 3 * Lanes.COUNT);
  }

  @Override
  void expand(long panel, int cols, int col, int count, Scratch scratch, long panelOffset) {
    int blocks = count / WEIGHTS;
    float[] scales = scratch.scales(blocks * Lanes.COUNT);
    short[] bits = scratch.shorts(blocks * Lanes.COUNT);
    halves(panel + headBytes(col), bits, scales, 0, blocks * Lanes.COUNT);
    long quants = panel + align(headBytes(cols)) + quantBytes(col);
    for (int b = 0; b < blocks; b++) {
      FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, scales, b * Lanes.COUNT);
      for (int k = b * LINES; k < b * LINES + LINES; k++) {
        ((FloatVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, quants + (long) k * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
            .mul(scale)
            .intoMemorySegment(
                scratch.panel, panelOffset + (long) k * VectorKernel.PANEL_STRIDE, Lanes.ORDER);
      }
    }
  }
}
