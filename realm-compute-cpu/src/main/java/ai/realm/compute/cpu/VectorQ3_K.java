package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;

/// Q3_K: 256 weights in 110 bytes, 16 sub-blocks with 6-bit scales address by 32; quants are address by 4.
/// See `block_q3_K` in ggml-common.h.
///
/// ```
/// bytes 0–31    third bits: bit 4h + j of byte i belongs to weight i of pair j of half h
/// bytes 32–95   low bits: bits 2j of 32 bytes hold pair j of a half
/// bytes 96–107  scales: low four bits of 0–7 and 8–15 in 8 bytes, then bits 4–5 of all in 4 bytes
/// bytes 108–109 scale of the scales, F16
/// ```
final class VectorQ3_K extends VectorUnpacked {
  private static final int WEIGHTS = 256;
  private static final int BYTES = 110;
  private static final int QUANT_WORD = 8;
  private static final int SCALE_WORD = 24;
  private static final int SCALE = 108;
  private static final int OFFSET = 4;
  private static final int SCALE_OFFSET = 32;
  private static final int SUB_BLOCKS = 16;
  private static final int SUB_BLOCK = 16;

  VectorQ3_K() {
    super(GgmlType.Q3_K);
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    int words = SUB_BLOCK / 4;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      long block = address + (long) b * BYTES;
      transpose(block, rowBytes, rows, SCALE / 4, scratch.words, 0);
      unpackScales(block, rowBytes, rows, scratch);
      for (int s = 0; s < SUB_BLOCKS; s++) {
        int half = s / 8;
        int pair = s % 8 / 2;
        int parity = s % 2;
        int low = (QUANT_WORD + half * 8 + parity * 4) * Lanes.COUNT;
        take(scratch.words, low, words, 2 * pair, 0x03030303, scratch.quants);
        addBits(
            scratch.words,
            parity * 4 * Lanes.COUNT,
            words,
            half * 4 + pair,
            0x01010101,
            2,
            scratch.quants);
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

  private static void unpackScales(long block, long rowBytes, int rows, Scratch scratch) {
    int[] words = scratch.words;
    for (int r = 0; r < Lanes.COUNT; r++) {
      float scale = Lanes.half(Lanes.MEMORY, block + SCALE + Math.min(r, rows - 1) * rowBytes);
      int high = words[(SCALE_WORD + 2) * Lanes.COUNT + r];
      for (int s = 0; s < SUB_BLOCKS; s++) {
        int low = words[(SCALE_WORD + s / 4 % 2) * Lanes.COUNT + r] >>> 4 * (s / 8);
        int quant = low >>> 8 * (s % 4) & 15 | (high >>> 2 * (s / 4) >>> 8 * (s % 4) & 3) << 4;
        float subScale = scale * (quant - SCALE_OFFSET);
        scratch.columnScales[s * Lanes.COUNT + r] = subScale;
        scratch.columnBases[s * Lanes.COUNT + r] = -OFFSET * subScale;
      }
    }
  }
}
