package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q6_K with lanes as rows: in sub-blocks of 16 columns a weight is `scale · (quant − 32)`.
///
/// ```
/// heads     of 256 columns: F16 scales d, then of each sub-block a signed byte of scale
/// quants    of a sub-block: 8 lines of low bits, column j in the low and column j + 8 in the high half of
///           line j; 4 lines of high bits, columns i, i + 4, i + 8, i + 12 from the lowest two of line i on
/// ```
final class InterleavedSixBits extends Interleaved {
  private static final int SUPER = VectorQ6_K.WEIGHTS;
  private static final int WEIGHTS = VectorQ6_K.SUB_BLOCK;
  private static final int SUBS = VectorQ6_K.SUB_BLOCKS;
  private static final int OFFSET = VectorQ6_K.OFFSET;
  private static final int LINES = 12;
  private static final int LOW_LINES = 8;
  private static final int HIGH_LINES = 4;

  @Override
  long headBytes(int cols) {
    return (long) cols / SUPER * Lanes.COUNT * (Short.BYTES + SUBS);
  }

  @Override
  long quantBytes(int cols) {
    return (long) cols / WEIGHTS * LINES * Lanes.COUNT;
  }

  @Override
  int blockColumns() {
    return SUPER;
  }

  @Override
  void packBlock(MemorySegment from, long offset, long head, long quants, int lane) {
    putHalf(head + 2L * lane, from, offset + VectorQ6_K.SCALE);
    long bytes = head + 2L * Lanes.COUNT + lane;
    for (int s = 0; s < SUBS; s++) {
      put(bytes + (long) s * Lanes.COUNT, get(from, offset + VectorQ6_K.SCALES + s));
      long to = quants + (long) s * LINES * Lanes.COUNT + lane;
      for (int j = 0; j < LOW_LINES; j++) {
        int low = quant(from, offset, s, j) & 15;
        int high = quant(from, offset, s, j + LOW_LINES) & 15;
        put(to + (long) j * Lanes.COUNT, low | high << 4);
      }
      for (int i = 0; i < HIGH_LINES; i++) {
        int bits = 0;
        for (int c = 0; c < WEIGHTS / HIGH_LINES; c++) {
          bits |= quant(from, offset, s, i + c * HIGH_LINES) >>> 4 << 2 * c;
        }
        put(to + (long) (LOW_LINES + i) * Lanes.COUNT, bits);
      }
    }
  }

  /// Quant `k` of sub-block `s`, as [VectorQ6_K] says where it lies.
  private static int quant(MemorySegment from, long offset, int s, int k) {
    int half = s >> 3;
    int quarter = s >> 1 & 3;
    int i = (s & 1) * WEIGHTS + k;
    int low = get(from, offset + half * 64 + (quarter & 1) * 32 + i) >>> quarter / 2 * 4 & 15;
    int high = get(from, offset + VectorQ6_K.HIGH_BITS + half * 32 + i) >>> 2 * quarter & 3;
    return low | high << 4;
  }

  /// Unpacks the scales of `count` columns into `scratch.scales` from index `at` on.
  private static void heads(long head, int count, Scratch scratch, int at) {
    float[] factors = scratch.mins(Lanes.COUNT);
    short[] bits = scratch.shorts(Lanes.COUNT);
    for (int b = 0; b < count / SUPER; b++) {
      long from = head + (long) b * Lanes.COUNT * (Short.BYTES + SUBS);
      halves(from, bits, factors, 0, Lanes.COUNT);
      FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, factors, 0);
      for (int s = 0; s < SUBS; s++) {
        ((FloatVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, from + (s + 2L) * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
            .mul(scale)
            .intoArray(scratch.scales, at + (b * SUBS + s) * Lanes.COUNT);
      }
    }
  }

  @Override
  void unpackHeads(long[] panels, int cols, Scratch scratch) {
    int perPanel = cols / WEIGHTS * Lanes.COUNT;
    scratch.scales(STREAMS * perPanel);
    for (int s = 0; s < STREAMS; s++) {
      heads(panels[s], cols, scratch, s * perPanel);
    }
  }

  @Override
  void multiply(long[] panels, int cols, Input x, Scratch scratch, float[] out) {
    int perPanel = cols / WEIGHTS * Lanes.COUNT;
    float[] scales = scratch.scales;
    long quants = align(headBytes(cols));
    // Two streams at a time: four would need more registers than there are.
    multiply(panels[0] + quants, panels[1] + quants, cols / WEIGHTS, scales, 0, x, out, 0);
    multiply(
        panels[2] + quants,
        panels[3] + quants,
        cols / WEIGHTS,
        scales,
        2 * perPanel,
        x,
        out,
        2 * Lanes.COUNT);
  }

  private static void multiply(
      long p0, long p1, int blocks, float[] scales, int first, Input x, float[] out, int to) {
    float[] sums = x.sums16;
    int next = first + blocks * Lanes.COUNT;
    FloatVector zero = FloatVector.zero(Lanes.FLOATS);
    FloatVector s0 = zero;
    FloatVector s1 = zero;
    for (int b = 0; b < blocks; b++) {
      long block = (long) b * LINES * Lanes.COUNT;
      long in = x.address + (long) b * WEIGHTS * Float.BYTES;
      FloatVector a0 = FloatVector.broadcast(Lanes.FLOATS, -OFFSET * sums[b]);
      FloatVector a1 = a0;
      FloatVector b0 = zero;
      FloatVector b1 = zero;
      for (int i = 0; i < HIGH_LINES; i++) {
        long at = block + (long) i * Lanes.COUNT;
        long column = in + (long) i * Float.BYTES;
        FloatVector x0 = FloatVector.broadcast(Lanes.FLOATS, Lanes.MEMORY.get(Lanes.FLOAT, column));
        FloatVector x1 =
            FloatVector.broadcast(Lanes.FLOATS, Lanes.MEMORY.get(Lanes.FLOAT, column + 16));
        FloatVector x2 =
            FloatVector.broadcast(Lanes.FLOATS, Lanes.MEMORY.get(Lanes.FLOAT, column + 32));
        FloatVector x3 =
            FloatVector.broadcast(Lanes.FLOATS, Lanes.MEMORY.get(Lanes.FLOAT, column + 48));
        IntVector l =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p0 + at, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        IntVector m =
            ((IntVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, p0 + at + HIGH_LINES * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        IntVector h =
            ((IntVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, p0 + at + LOW_LINES * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        a0 =
            ((FloatVector)
                    l.and(15)
                        .or(h.lanewise(VectorOperators.LSHL, 4).and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x0, a0);
        b0 =
            ((FloatVector)
                    m.and(15)
                        .or(h.lanewise(VectorOperators.LSHL, 2).and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x1, b0);
        a0 =
            ((FloatVector)
                    l.lanewise(VectorOperators.LSHR, 4)
                        .or(h.and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x2, a0);
        b0 =
            ((FloatVector)
                    m.lanewise(VectorOperators.LSHR, 4)
                        .or(h.lanewise(VectorOperators.LSHR, 2).and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x3, b0);
        l =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p1 + at, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        m =
            ((IntVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, p1 + at + HIGH_LINES * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        h =
            ((IntVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, p1 + at + LOW_LINES * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        a1 =
            ((FloatVector)
                    l.and(15)
                        .or(h.lanewise(VectorOperators.LSHL, 4).and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x0, a1);
        b1 =
            ((FloatVector)
                    m.and(15)
                        .or(h.lanewise(VectorOperators.LSHL, 2).and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x1, b1);
        a1 =
            ((FloatVector)
                    l.lanewise(VectorOperators.LSHR, 4)
                        .or(h.and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x2, a1);
        b1 =
            ((FloatVector)
                    m.lanewise(VectorOperators.LSHR, 4)
                        .or(h.lanewise(VectorOperators.LSHR, 2).and(48))
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(x3, b1);
      }
      int s = b * Lanes.COUNT;
      s0 = a0.add(b0).fma(FloatVector.fromArray(Lanes.FLOATS, scales, s + first), s0);
      s1 = a1.add(b1).fma(FloatVector.fromArray(Lanes.FLOATS, scales, s + next), s1);
    }
    s0.intoArray(out, to);
    s1.intoArray(out, to + Lanes.COUNT);
  }

  @Override
  void expand(long panel, int cols, int col, int count, Scratch scratch, long panelOffset) {
    int blocks = count / WEIGHTS;
    float[] scales = scratch.scales(blocks * Lanes.COUNT);
    heads(panel + headBytes(col), count, scratch, 0);
    long quants = panel + align(headBytes(cols)) + quantBytes(col);
    for (int b = 0; b < blocks; b++) {
      FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, scales, b * Lanes.COUNT);
      FloatVector base = scale.mul(-OFFSET);
      long block = quants + (long) b * LINES * Lanes.COUNT;
      for (int i = 0; i < WEIGHTS; i++) {
        int low = i & LOW_LINES - 1;
        int high = i & HIGH_LINES - 1;
        IntVector l =
            ((IntVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, block + (long) low * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        IntVector h =
            ((IntVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS,
                        Lanes.MEMORY,
                        block + (long) (LOW_LINES + high) * Lanes.COUNT,
                        Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        IntVector q =
            l.lanewise(VectorOperators.LSHR, i / LOW_LINES * 4)
                .and(15)
                .or(
                    h.lanewise(VectorOperators.LSHR, i / HIGH_LINES * 2)
                        .and(3)
                        .lanewise(VectorOperators.LSHL, 4));
        ((FloatVector) q.convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
            .fma(scale, base)
            .intoMemorySegment(
                scratch.panel,
                panelOffset + ((long) b * WEIGHTS + i) * VectorKernel.PANEL_STRIDE,
                Lanes.ORDER);
      }
    }
  }
}
