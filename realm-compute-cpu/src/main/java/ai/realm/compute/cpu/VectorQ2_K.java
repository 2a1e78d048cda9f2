package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;

/// Q2_K: 256 weights in 84 bytes, 16 sub-blocks with 4-bit scales and mins. See `block_q2_K` in
/// ggml-common.h.
///
/// ```
/// bytes 0–15  scale in the low half, min in the high half
/// bytes 16–79 quants: bits 2j of 32 bytes hold sub-blocks 2j and 2j + 1 of a half
/// bytes 80–83 scale of the scales and of the mins, F16
/// ```
final class VectorQ2_K extends VectorUnpacked {
  private static final int WEIGHTS = 256;
  private static final int BYTES = 84;
  private static final int QUANT_WORD = 4;
  private static final int FACTOR_WORD = 20;
  private static final int SUB_BLOCKS = 16;
  private static final int SUB_BLOCK = 16;

  VectorQ2_K() {
    super(GgmlType.Q2_K);
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    int words = SUB_BLOCK / 4;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      transpose(address + (long) b * BYTES, rowBytes, rows, BYTES / 4, scratch.words, 0);
      unpackScales(scratch.words, scratch.columnScales, scratch.columnBases);
      for (int s = 0; s < SUB_BLOCKS; s++) {
        int from = (QUANT_WORD + s / 8 * 8 + s % 2 * 4) * Lanes.COUNT;
        take(scratch.words, from, words, s % 8 / 2 * 2, 0x03030303, scratch.quants);
        columns(
            scratch.quants,
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

  private static void unpackScales(int[] words, float[] scales, float[] bases) {
    for (int r = 0; r < Lanes.COUNT; r++) {
      int factors = words[FACTOR_WORD * Lanes.COUNT + r];
      float scale = Float.float16ToFloat((short) factors);
      float min = Float.float16ToFloat((short) (factors >>> 16));
      for (int s = 0; s < SUB_BLOCKS; s++) {
        int both = words[s / 4 * Lanes.COUNT + r] >>> 8 * (s % 4);
        scales[s * Lanes.COUNT + r] = scale * (both & 15);
        bases[s * Lanes.COUNT + r] = -min * (both >>> 4 & 15);
      }
    }
  }
}
