package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.u32;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

/// Super-blocks of 256 weights, four at a time a point of a lattice with signs. See `block_iq3_*` in
/// ggml-common.h; the lattices are [IqGrids].
final class Iq3Codecs {
  private Iq3Codecs() {}

  /// Four weights: point `index`, with bit i of `signs` set where weight i is negative.
  private static void point(IqGrids grid, int index, float scale, int signs, float[] dst, int to) {
    for (int i = 0; i < 4; i++) {
      float w = scale * grid.at(4 * index + i);
      dst[to + i] = IqGrids.signed(w, signs >> i);
    }
  }

  /// IQ3_XXS: 256 weights in 98 bytes, 8 sub-blocks of 32.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–65 | 64 indices |
  /// | 66–97 | per sub-block 32 bits: 4 × 7 of signs, 4 of scale |
  ///
  /// w = d · (scale + ½) / 2 · ±grid
  record Iq3Xxs() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ3_XXS;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int j = 0; j < 8; j++) {
        int bits = u32(src, at + 66 + 4 * j);
        float scale = d * (0.5f + (bits >>> 28)) * 0.5f;
        for (int k = 0; k < 8; k++) {
          int signs = IqGrids.signs(bits >>> 7 * (k / 2) & 127) >> 4 * (k & 1);
          int index = u8(src, at + 2 + 8 * j + k);
          point(IqGrids.IQ3_XXS, index, scale, signs, dst, to + 32 * j + 4 * k);
        }
      }
    }
  }

  /// IQ3_S: 256 weights in 110 bytes, 8 sub-blocks of 32.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–65 | low bytes of the 64 indices |
  /// | 66–73 | ninth bits of the indices: bit k of byte j is that of index 8j + k |
  /// | 74–105 | 256 signs |
  /// | 106–109 | 8 scales of 4 bits, sub-block 2k in the low nibble |
  ///
  /// w = d · (2 · scale + 1) · ±grid
  record Iq3S() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ3_S;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int j = 0; j < 8; j++) {
        float scale = d * (1 + 2 * (u8(src, at + 106 + j / 2) >> 4 * (j & 1) & 15));
        int ninth = u8(src, at + 66 + j);
        for (int k = 0; k < 8; k++) {
          int index = u8(src, at + 2 + 8 * j + k) | (ninth >> k & 1) << 8;
          int signs = u8(src, at + 74 + 4 * j + k / 2) >> 4 * (k & 1);
          point(IqGrids.IQ3_S, index, scale, signs, dst, to + 32 * j + 4 * k);
        }
      }
    }
  }
}
