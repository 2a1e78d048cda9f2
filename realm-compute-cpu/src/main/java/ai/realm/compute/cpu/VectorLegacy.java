package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;

/// Q4_1, Q5_0 and Q5_1: 32 weights; an F16 scale, for the `_1` types an F16 min, for the Q5 types 4
/// bytes of fifth bits, then 16 bytes of low bits as in Q4_0. A weight is `scale · quant + min`, or
/// `scale · (quant − 16)` in Q5_0. See `block_q5_0` and its neighbours in ggml-common.h.
final class VectorLegacy extends VectorUnpacked {
  private static final int WEIGHTS = 32;
  private static final int WORDS = 4;
  private static final int Q5_OFFSET = 16;

  /// Spreads 4 bits to the lowest bits of 4 bytes.
  private static final int SPREAD = 0x00204081;

  private final int blockBytes;
  private final boolean hasMin;
  private final boolean hasFifthBits;

  VectorLegacy(GgmlType type) {
    super(type);
    blockBytes = type.blockBytes();
    hasMin = type != GgmlType.Q5_0;
    hasFifthBits = type != GgmlType.Q4_1;
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    float[] scales = scratch.columnScales;
    float[] bases = scratch.columnBases;
    int quants = blockBytes - WEIGHTS / 2;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      long block = address + (long) b * blockBytes;
      transposeScale(block, rowBytes, rows, Q5_OFFSET, scales, bases);
      if (hasMin) {
        for (int r = 0; r < Lanes.COUNT; r++) {
          bases[r] = Lanes.half(Lanes.MEMORY, block + 2 + Math.min(r, rows - 1) * rowBytes);
        }
      }
      transpose(block + quants, rowBytes, rows, WORDS, scratch.words, 0);
      for (int half = 0; half < 2; half++) {
        take(scratch.words, 0, WORDS, 4 * half, 0x0F0F0F0F, scratch.quants);
        if (hasFifthBits) {
          fifthBits(block + quants - 4, rowBytes, rows, half, scratch.quants);
        }
        long to = panelOffset + (b * 2L + half) * (WEIGHTS / 2) * PANEL_STRIDE;
        columns(scratch.quants, 0, WORDS, scales, bases, 0, scratch.panel, to);
      }
    }
  }

  private static void fifthBits(long address, long rowBytes, int rows, int half, int[] quants) {
    for (int r = 0; r < Lanes.COUNT; r++) {
      int bits =
          Lanes.MEMORY.get(Lanes.INT, address + Math.min(r, rows - 1) * rowBytes) >>> 16 * half;
      for (int j = 0; j < WORDS; j++) {
        quants[j * Lanes.COUNT + r] |= ((bits >>> 4 * j & 15) * SPREAD & 0x01010101) << 4;
      }
    }
  }
}
