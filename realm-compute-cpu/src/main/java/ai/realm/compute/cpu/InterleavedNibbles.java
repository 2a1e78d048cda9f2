package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q4_0 and Q4_K with lanes as rows: in blocks of 32 columns a weight is `scale · quant + base`.
///
/// ```
/// heads     Q4_0, of a block of 32: the F16 scales; base is −8 · scale
///           Q4_K, of 256 columns: F16 scales d, F16 scales of the mins dmin, then of each sub-block of 32
///           a byte of scale, and of each a byte of min; scale is d · scale, base is −dmin · min
/// quants    of a block of 32: 16 lines, column j in the low and column j + 16 in the high half of line j
/// ```
final class InterleavedNibbles extends Interleaved {
  private static final int WEIGHTS = 32;
  private static final int LINES = 16;
  private static final int OFFSET = 8;
  private static final int SUPER = 256;
  private static final int SUBS = KQuantScales.COUNT;

  private final boolean nested;

  /// @param nested whether scales have scales, as in Q4_K
  InterleavedNibbles(boolean nested) {
    this.nested = nested;
  }

  @Override
  long headBytes(int cols) {
    return nested
        ? (long) cols / SUPER * Lanes.COUNT * (2 * Short.BYTES + 2 * SUBS)
        : (long) cols / WEIGHTS * Lanes.COUNT * Short.BYTES;
  }

  @Override
  long quantBytes(int cols) {
    return (long) cols / 2 * Lanes.COUNT;
  }

  @Override
  int blockColumns() {
    return nested ? SUPER : WEIGHTS;
  }

  // ---- packing ----------------------------------------------------------------------------------

  @Override
  void packBlock(MemorySegment from, long offset, long head, long quants, int lane) {
    if (nested) {
      packNested(from, offset, head, quants + lane, lane);
      return;
    }
    putHalf(head + 2L * lane, from, offset);
    for (int j = 0; j < LINES; j++) {
      put(quants + (long) j * Lanes.COUNT + lane, get(from, offset + 2 + j));
    }
  }

  private static void packNested(
      MemorySegment from, long offset, long head, long quants, int lane) {
    putHalf(head + 2L * lane, from, offset);
    putHalf(head + 2L * (Lanes.COUNT + lane), from, offset + 2);
    long bytes = head + 4L * Lanes.COUNT + lane;
    int first = from.get(Lanes.INT, offset + 4);
    int second = from.get(Lanes.INT, offset + 8);
    int third = from.get(Lanes.INT, offset + 12);
    for (int s = 0; s < SUBS; s++) {
      int scales = s < 4 ? KQuantScales.low(first) : KQuantScales.high(first, third);
      int mins = s < 4 ? KQuantScales.low(second) : KQuantScales.high(second, third >>> 4);
      put(bytes + (long) s * Lanes.COUNT, scales >>> 8 * (s & 3));
      put(bytes + (long) (SUBS + s) * Lanes.COUNT, mins >>> 8 * (s & 3));
      // A pair of sub-blocks shares 32 bytes, the first in their low halves.
      long pair = offset + KQuantScales.BYTES + (s >> 1) * (long) WEIGHTS;
      int shift = (s & 1) * 4;
      for (int j = 0; j < LINES; j++) {
        int low = get(from, pair + j) >>> shift & 15;
        int high = get(from, pair + j + LINES) >>> shift & 15;
        put(quants + ((long) s * LINES + j) * Lanes.COUNT, low | high << 4);
      }
    }
  }

  // ---- heads ------------------------------------------------------------------------------------

  /// Unpacks the scales and bases of `count` columns into `scratch.scales` and `scratch.bases`, from
  /// index `at` on.
  private void heads(long head, int count, Scratch scratch, int at) {
    int numbers = count / WEIGHTS * Lanes.COUNT;
    if (nested) {
      nestedHeads(head, count / SUPER, scratch, at);
    } else {
      halves(head, scratch.shorts(numbers), scratch.scales, at, numbers);
      for (int i = at; i < at + numbers; i++) {
        scratch.bases[i] = -OFFSET * scratch.scales[i];
      }
    }
  }

  private static void nestedHeads(long head, int supers, Scratch scratch, int at) {
    float[] factors = scratch.mins(2 * Lanes.COUNT);
    short[] bits = scratch.shorts(2 * Lanes.COUNT);
    float[] scales = scratch.scales;
    float[] bases = scratch.bases;
    for (int b = 0; b < supers; b++) {
      long from = head + (long) b * Lanes.COUNT * (2 * Short.BYTES + 2 * SUBS);
      halves(from, bits, factors, 0, 2 * Lanes.COUNT);
      FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, factors, 0);
      FloatVector min = FloatVector.fromArray(Lanes.FLOATS, factors, Lanes.COUNT).neg();
      long bytes = from + 4L * Lanes.COUNT;
      int to = at + b * SUBS * Lanes.COUNT;
      for (int s = 0; s < SUBS; s++) {
        ((FloatVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS, Lanes.MEMORY, bytes + (long) s * Lanes.COUNT, Lanes.ORDER)
                    .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
            .mul(scale)
            .intoArray(scales, to + s * Lanes.COUNT);
        ((FloatVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS,
                        Lanes.MEMORY,
                        bytes + (long) (SUBS + s) * Lanes.COUNT,
                        Lanes.ORDER)
                    .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
            .mul(min)
            .intoArray(bases, to + s * Lanes.COUNT);
      }
    }
  }

  // ---- products ---------------------------------------------------------------------------------

  @Override
  void unpackHeads(long[] panels, int cols, Scratch scratch) {
    int perPanel = cols / WEIGHTS * Lanes.COUNT;
    scratch.scalesAndBases(STREAMS * perPanel);
    for (int s = 0; s < STREAMS; s++) {
      heads(panels[s], cols, scratch, s * perPanel);
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
        scratch,
        x,
        out);
  }

  private static void multiply(
      long p0, long p1, long p2, long p3, int blocks, Scratch scratch, Input x, float[] out) {
    float[] scales = scratch.scales;
    float[] bases = scratch.bases;
    float[] sums = x.sums32;
    long xs = x.address;
    int next = blocks * Lanes.COUNT;
    FloatVector zero = FloatVector.zero(Lanes.FLOATS);
    FloatVector s0 = zero;
    FloatVector s1 = zero;
    FloatVector s2 = zero;
    FloatVector s3 = zero;
    for (int b = 0; b < blocks; b++) {
      long block = (long) b * LINES * Lanes.COUNT;
      long in = xs + (long) b * WEIGHTS * Float.BYTES;
      FloatVector a0 = zero;
      FloatVector a1 = zero;
      FloatVector a2 = zero;
      FloatVector a3 = zero;
      FloatVector b0 = zero;
      FloatVector b1 = zero;
      FloatVector b2 = zero;
      FloatVector b3 = zero;
      for (int j = 0; j < LINES; j++) {
        long at = block + (long) j * Lanes.COUNT;
        long column = in + (long) j * Float.BYTES;
        FloatVector low =
            FloatVector.broadcast(Lanes.FLOATS, Lanes.MEMORY.get(Lanes.FLOAT, column));
        FloatVector high =
            FloatVector.broadcast(
                Lanes.FLOATS, Lanes.MEMORY.get(Lanes.FLOAT, column + LINES * Float.BYTES));
        IntVector q =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p0 + at, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        a0 =
            ((FloatVector) q.and(15).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(low, a0);
        b0 =
            ((FloatVector)
                    q.lanewise(VectorOperators.LSHR, 4)
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(high, b0);
        q =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p1 + at, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        a1 =
            ((FloatVector) q.and(15).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(low, a1);
        b1 =
            ((FloatVector)
                    q.lanewise(VectorOperators.LSHR, 4)
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(high, b1);
        q =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p2 + at, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        a2 =
            ((FloatVector) q.and(15).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(low, a2);
        b2 =
            ((FloatVector)
                    q.lanewise(VectorOperators.LSHR, 4)
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(high, b2);
        q =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, p3 + at, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        a3 =
            ((FloatVector) q.and(15).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(low, a3);
        b3 =
            ((FloatVector)
                    q.lanewise(VectorOperators.LSHR, 4)
                        .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .fma(high, b3);
      }
      int s = b * Lanes.COUNT;
      FloatVector sum = FloatVector.broadcast(Lanes.FLOATS, sums[b]);
      s0 = a0.add(b0).fma(FloatVector.fromArray(Lanes.FLOATS, scales, s), s0);
      s0 = FloatVector.fromArray(Lanes.FLOATS, bases, s).fma(sum, s0);
      s += next;
      s1 = a1.add(b1).fma(FloatVector.fromArray(Lanes.FLOATS, scales, s), s1);
      s1 = FloatVector.fromArray(Lanes.FLOATS, bases, s).fma(sum, s1);
      s += next;
      s2 = a2.add(b2).fma(FloatVector.fromArray(Lanes.FLOATS, scales, s), s2);
      s2 = FloatVector.fromArray(Lanes.FLOATS, bases, s).fma(sum, s2);
      s += next;
      s3 = a3.add(b3).fma(FloatVector.fromArray(Lanes.FLOATS, scales, s), s3);
      s3 = FloatVector.fromArray(Lanes.FLOATS, bases, s).fma(sum, s3);
    }
    s0.intoArray(out, 0);
    s1.intoArray(out, Lanes.COUNT);
    s2.intoArray(out, 2 * Lanes.COUNT);
    s3.intoArray(out, 3 * Lanes.COUNT);
  }

  @Override
  void expand(long panel, int cols, int col, int count, Scratch scratch, long panelOffset) {
    int blocks = count / WEIGHTS;
    scratch.scalesAndBases(blocks * Lanes.COUNT);
    heads(panel + headBytes(col), count, scratch, 0);
    long quants = panel + align(headBytes(cols)) + quantBytes(col);
    for (int b = 0; b < blocks; b++) {
      FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, scratch.scales, b * Lanes.COUNT);
      FloatVector base = FloatVector.fromArray(Lanes.FLOATS, scratch.bases, b * Lanes.COUNT);
      for (int j = 0; j < LINES; j++) {
        IntVector q =
            ((IntVector)
                ByteVector.fromMemorySegment(
                        Lanes.QUANTS,
                        Lanes.MEMORY,
                        quants + ((long) b * LINES + j) * Lanes.COUNT,
                        Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        long to = panelOffset + ((long) b * WEIGHTS + j) * VectorKernel.PANEL_STRIDE;
        ((FloatVector) q.and(15).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
            .fma(scale, base)
            .intoMemorySegment(scratch.panel, to, Lanes.ORDER);
        ((FloatVector)
                q.lanewise(VectorOperators.LSHR, 4)
                    .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
            .fma(scale, base)
            .intoMemorySegment(
                scratch.panel, to + (long) LINES * VectorKernel.PANEL_STRIDE, Lanes.ORDER);
      }
    }
  }
}
