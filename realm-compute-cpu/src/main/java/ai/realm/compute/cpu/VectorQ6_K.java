package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q6_K: 256 weights in 210 bytes, 16 sub-blocks with signed 8-bit scales; quants are offset by 32. See
/// `block_q6_K` in ggml-common.h.
///
/// ```
/// bytes 0–127   low four bits
/// bytes 128–191 high two bits
/// bytes 192–207 scales
/// bytes 208–209 scale of the scales, F16
/// ```
///
/// Each half of 128 weights takes 64 low bytes `l`, 32 high bytes `h` and 8 scales. For i < 32, weight
/// i is the low half of l[i] with bits 0–1 of h[i], weight i + 32 that of l[i + 32] with bits 2–3,
/// weights i + 64 and i + 96 the high halves with bits 4–5 and 6–7.
final class VectorQ6_K extends VectorKernel {
  private static final int WEIGHTS = 256;
  private static final int BYTES = 210;
  private static final int HIGH_BITS = 128;
  private static final int SCALES = 192;
  private static final int SCALE = 208;
  private static final int OFFSET = 32;
  private static final int SUB_BLOCKS = 16;
  private static final int SUB_BLOCK = 16;
  private static final int SCALE_WORD = SCALE / 4;

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
    float[] scales = scratch.scales(blocks * SUB_BLOCKS);
    for (int r = 0; r < rows; r++) {
      long row = offset + r * rowBytes;
      float offsets = offsets(w, row, blocks, scales, x.sums16);
      float dot = row(w, row, blocks, scales, x.memory, x.offset);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot - OFFSET * offsets);
    }
  }

  /// Unpacks the scales of a row and returns `Σ scale · Σ x`, what the quants' offset weighs.
  private static float offsets(
      MemorySegment w, long row, int blocks, float[] scales, float[] sums) {
    FloatVector sum = FloatVector.zero(Lanes.FLOATS);
    for (int b = 0; b < blocks; b++) {
      long block = row + (long) b * BYTES;
      float scale = Lanes.half(w, block + SCALE);
      for (int i = 0; i < SUB_BLOCKS; i += Lanes.COUNT) {
        FloatVector s = Lanes.signedBytes(w, block + SCALES + i).mul(scale);
        s.intoArray(scales, b * SUB_BLOCKS + i);
        sum = s.fma(FloatVector.fromArray(Lanes.FLOATS, sums, b * SUB_BLOCKS + i), sum);
      }
    }
    return Lanes.sum(sum);
  }

  private static float row(
      MemorySegment w, long row, int blocks, float[] scales, MemorySegment x, long xs) {
    FloatVector a = FloatVector.zero(Lanes.FLOATS);
    FloatVector b = a;
    for (int half = 0; half < blocks * 2; half++) {
      long block = row + (half >> 1) * (long) BYTES;
      long l = block + (half & 1) * 64;
      long h = block + HIGH_BITS + (half & 1) * 32;
      for (int i = 0; i < 32; i += Lanes.COUNT) {
        int s = half * 8 + i / SUB_BLOCK;
        long in = xs + ((long) half * 128 + i) * Float.BYTES;
        IntVector low = Lanes.unsignedBytes(w, l + i);
        IntVector low2 = Lanes.unsignedBytes(w, l + 32 + i);
        IntVector high = Lanes.unsignedBytes(w, h + i);
        IntVector q0 = low.and(15).or(high.lanewise(VectorOperators.LSHL, 4).and(48));
        IntVector q1 = low2.and(15).or(high.lanewise(VectorOperators.LSHL, 2).and(48));
        IntVector q2 = low.lanewise(VectorOperators.LSHR, 4).or(high.and(48));
        IntVector q3 =
            low2.lanewise(VectorOperators.LSHR, 4)
                .or(high.lanewise(VectorOperators.LSHR, 2).and(48));
        a = product(q0, x, in).fma(broadcast(scales[s]), a);
        b = product(q1, x, in + 32 * Float.BYTES).fma(broadcast(scales[s + 2]), b);
        a = product(q2, x, in + 64 * Float.BYTES).fma(broadcast(scales[s + 4]), a);
        b = product(q3, x, in + 96 * Float.BYTES).fma(broadcast(scales[s + 6]), b);
      }
    }
    return Lanes.sum(a.add(b));
  }

  private static FloatVector product(IntVector q, MemorySegment x, long at) {
    return Lanes.toFloats(q).mul(Lanes.floats(x, at));
  }

  private static FloatVector broadcast(float scale) {
    return FloatVector.broadcast(Lanes.FLOATS, scale);
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
    MemorySegment words = scratch.words;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      long block = offset + (long) b * BYTES;
      transpose(w, block, rowBytes, rows, SCALE_WORD, words, 0);
      transposeHalf(w, block + SCALE, rowBytes, rows, words, SCALE_WORD);
      long to = panelOffset + (long) b * WEIGHTS * PANEL_STRIDE;
      for (int part = 0; part < 4; part++) {
        unpack(words, part, scratch.panel, to);
      }
    }
  }

  /// Sub-blocks of one parity in one half of the block: `part` is `2 · half + parity`.
  private static void unpack(MemorySegment words, int part, MemorySegment panel, long block) {
    int half = part >> 1;
    int parity = part & 1;
    FloatVector scale = Lanes.halves(Lanes.ints(words, (long) SCALE_WORD * Lanes.BYTES));
    FloatVector s0 = subScale(words, half * 8 + parity).mul(scale);
    FloatVector s1 = subScale(words, half * 8 + parity + 2).mul(scale);
    FloatVector s2 = subScale(words, half * 8 + parity + 4).mul(scale);
    FloatVector s3 = subScale(words, half * 8 + parity + 6).mul(scale);
    for (int j = 0; j < 4; j++) {
      int word = half * 16 + parity * 4 + j;
      IntVector low = Lanes.ints(words, (long) word * Lanes.BYTES);
      IntVector low2 = Lanes.ints(words, (word + 8L) * Lanes.BYTES);
      IntVector high =
          Lanes.ints(words, (HIGH_BITS / 4 + half * 8L + parity * 4 + j) * Lanes.BYTES);
      for (int i = 0; i < 4; i++) {
        long to = block + (half * 128L + parity * 16 + 4 * j + i) * PANEL_STRIDE;
        IntVector h = high.lanewise(VectorOperators.LSHR, 8 * i);
        IntVector l = low.lanewise(VectorOperators.LSHR, 8 * i);
        IntVector l2 = low2.lanewise(VectorOperators.LSHR, 8 * i);
        store(l.and(15).or(h.and(3).lanewise(VectorOperators.LSHL, 4)), s0, panel, to);
        store(
            l2.and(15).or(h.and(12).lanewise(VectorOperators.LSHL, 2)),
            s1,
            panel,
            to + 32L * PANEL_STRIDE);
        store(
            l.lanewise(VectorOperators.LSHR, 4).and(15).or(h.and(48)),
            s2,
            panel,
            to + 64L * PANEL_STRIDE);
        store(
            l2.lanewise(VectorOperators.LSHR, 4)
                .and(15)
                .or(h.lanewise(VectorOperators.LSHR, 2).and(48)),
            s3,
            panel,
            to + 96L * PANEL_STRIDE);
      }
    }
  }

  private static FloatVector subScale(MemorySegment words, int s) {
    return Lanes.toFloats(
        Lanes.ints(words, (SCALES / 4 + s / 4) * (long) Lanes.BYTES)
            .lanewise(VectorOperators.LSHL, 24 - 8 * (s % 4))
            .lanewise(VectorOperators.ASHR, 24));
  }

  private static void store(IntVector q, FloatVector scale, MemorySegment panel, long to) {
    Lanes.toFloats(q.sub(OFFSET)).mul(scale).intoMemorySegment(panel, to, Lanes.ORDER);
  }
}
