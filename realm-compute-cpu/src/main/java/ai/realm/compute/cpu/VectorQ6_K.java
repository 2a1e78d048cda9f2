package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q6_K: 256 weights in 210 bytes, 16 sub-blocks with signed 8-bit scales; quants are address by 32. See
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
  static final int WEIGHTS = 256;
  private static final int BYTES = 210;
  static final int HIGH_BITS = 128;
  static final int SCALES = 192;
  static final int SCALE = 208;
  static final int OFFSET = 32;
  static final int SUB_BLOCKS = 16;
  static final int SUB_BLOCK = 16;

  @Override
  Interleaved interleaved() {
    return new InterleavedSixBits();
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
    float[] scales = scratch.scales(blocks * SUB_BLOCKS);
    for (int r = 0; r < rows; r++) {
      long row = address + r * rowBytes;
      float offsets = offsets(row, blocks, scales, x.sums16);
      float dot = row(row, blocks, scales, 0, x.address) + row(row, blocks, scales, 1, x.address);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot - OFFSET * offsets);
    }
  }

  /// Unpacks the scales of a row and returns `Σ scale · Σ x`, what the quants' offset weighs.
  private static float offsets(long row, int blocks, float[] scales, float[] sums) {
    FloatVector sum = FloatVector.zero(Lanes.FLOATS);
    for (int b = 0; b < blocks; b++) {
      long block = row + (long) b * BYTES;
      float scale = Lanes.half(Lanes.MEMORY, block + SCALE);
      for (int i = 0; i < SUB_BLOCKS; i += Lanes.COUNT) {
        FloatVector s =
            ((FloatVector)
                    ByteVector.fromMemorySegment(
                            Lanes.QUANTS, Lanes.MEMORY, block + SCALES + i, Lanes.ORDER)
                        .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
                .mul(scale);
        s.intoArray(scales, b * SUB_BLOCKS + i);
        sum = s.fma(FloatVector.fromArray(Lanes.FLOATS, sums, b * SUB_BLOCKS + i), sum);
      }
    }
    return sum.reduceLanes(VectorOperators.ADD);
  }

  /// The weights of one half of each half's low bytes: two quarters of the row, which keeps the method
  /// small enough for the JIT compiler to inline all of it.
  private static float row(long row, int blocks, float[] scales, int part, long xs) {
    FloatVector a = FloatVector.zero(Lanes.FLOATS);
    FloatVector b = a;
    for (int half = 0; half < blocks * 2; half++) {
      long block = row + (half >> 1) * (long) BYTES;
      long l = block + (half & 1) * 64 + part * 32;
      long h = block + HIGH_BITS + (half & 1) * 32;
      long in = xs + (half * 128L + part * 32) * Float.BYTES;
      for (int i = 0; i < 32; i += Lanes.COUNT) {
        int s = half * 8 + part * 2 + i / SUB_BLOCK;
        long at = in + (long) i * Float.BYTES;
        IntVector low =
            ((IntVector)
                ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, l + i, Lanes.ORDER)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0));
        IntVector high =
            ((IntVector)
                    ByteVector.fromMemorySegment(Lanes.QUANTS, Lanes.MEMORY, h + i, Lanes.ORDER)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.INTS, 0))
                .lanewise(VectorOperators.LSHR, 2 * part);
        IntVector first = low.and(15).or(high.lanewise(VectorOperators.LSHL, 4).and(48));
        IntVector second = low.lanewise(VectorOperators.LSHR, 4).or(high.and(48));
        a =
            ((FloatVector) first.convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .mul(FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, at, Lanes.ORDER))
                .fma(FloatVector.broadcast(Lanes.FLOATS, scales[s]), a);
        b =
            ((FloatVector) second.convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
                .mul(
                    FloatVector.fromMemorySegment(
                        Lanes.FLOATS, Lanes.MEMORY, at + 64 * Float.BYTES, Lanes.ORDER))
                .fma(FloatVector.broadcast(Lanes.FLOATS, scales[s + 4]), b);
      }
    }
    return a.add(b).reduceLanes(VectorOperators.ADD);
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    int[] quants = scratch.quants;
    int words = SUB_BLOCK / 4;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      long block = address + (long) b * BYTES;
      transpose(block, rowBytes, rows, SCALE / 4, scratch.words, 0);
      unpackScales(block, rowBytes, rows, scratch);
      for (int s = 0; s < SUB_BLOCKS; s++) {
        int half = s >> 3;
        int quarter = s >> 1 & 3;
        int parity = s & 1;
        int low = (half * 16 + (quarter & 1) * 8 + parity * 4) * Lanes.COUNT;
        int high = (HIGH_BITS / 4 + half * 8 + parity * 4) * Lanes.COUNT;
        take(scratch.words, low, words, quarter / 2 * 4, 0x0F0F0F0F, quants);
        addBits(scratch.words, high, words, 2 * quarter, 0x03030303, 4, quants);
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

  private static void unpackScales(long block, long rowBytes, int rows, Scratch scratch) {
    for (int r = 0; r < Lanes.COUNT; r++) {
      float scale = Lanes.half(Lanes.MEMORY, block + SCALE + Math.min(r, rows - 1) * rowBytes);
      for (int s = 0; s < SUB_BLOCKS; s++) {
        int word = scratch.words[(SCALES / 4 + s / 4) * Lanes.COUNT + r];
        float subScale = scale * (byte) (word >>> 8 * (s % 4));
        scratch.columnScales[s * Lanes.COUNT + r] = subScale;
        scratch.columnBases[s * Lanes.COUNT + r] = -OFFSET * subScale;
      }
    }
  }
}
