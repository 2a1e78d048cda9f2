package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.u16;
import static ai.realm.tensor.BlockwiseCodec.u32;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

/// Super-blocks of 256 weights, eight at a time a point of a lattice with signs. See `block_iq2_*` in
/// ggml-common.h; the lattices are [IqGrids].
final class Iq2Codecs {
  private Iq2Codecs() {}

  /// Eight weights: point `index`, with bit i of `signs` set where weight i is negative.
  private static void point(IqGrids grid, int index, float scale, int signs, float[] dst, int to) {
    for (int i = 0; i < 8; i++) {
      float w = scale * grid.at(8 * index + i);
      dst[to + i] = IqGrids.signed(w, signs >> i);
    }
  }

  private static float scale(float d, int nibble) {
    return d * (0.5f + nibble) * 0.25f;
  }

  /// IQ2_XXS: 256 weights in 66 bytes, 8 sub-blocks of 32.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–65 | per sub-block 4 bytes of indices, then 32 bits: 4 × 7 of signs, 4 of scale |
  ///
  /// w = d · (scale + ½) / 4 · ±grid
  record Iq2Xxs() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ2_XXS;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int j = 0; j < 8; j++) {
        long sub = at + 2 + 8 * j;
        int bits = u32(src, sub + 4);
        float scale = scale(d, bits >>> 28);
        for (int k = 0; k < 4; k++) {
          int signs = IqGrids.signs(bits >>> 7 * k & 127);
          point(IqGrids.IQ2_XXS, u8(src, sub + k), scale, signs, dst, to + 32 * j + 8 * k);
        }
      }
    }
  }

  /// IQ2_XS: 256 weights in 74 bytes, 16 sub-blocks of 16.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–65 | 32 × 16 bits: index 9, signs 7 |
  /// | 66–73 | 16 scales of 4 bits, sub-block 2k in the low nibble |
  ///
  /// w = d · (scale + ½) / 4 · ±grid
  record Iq2Xs() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ2_XS;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int k = 0; k < 32; k++) {
        int q = u16(src, at + 2 + 2 * k);
        float scale = scale(d, u8(src, at + 66 + k / 4) >> (k & 2) * 2 & 15);
        point(IqGrids.IQ2_XS, q & 511, scale, IqGrids.signs(q >> 9), dst, to + 8 * k);
      }
    }
  }

  /// IQ2_S: 256 weights in 82 bytes, 16 sub-blocks of 16.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–33 | low bytes of the 32 indices |
  /// | 34–65 | 32 × 8 signs |
  /// | 66–73 | high bit pairs of the indices: pair k of byte j is that of index 4j + k |
  /// | 74–81 | 16 scales of 4 bits, sub-block 2k in the low nibble |
  ///
  /// w = d · (scale + ½) / 4 · ±grid
  record Iq2S() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ2_S;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int k = 0; k < 32; k++) {
        int high = u8(src, at + 66 + k / 4) >> 2 * (k & 3) & 3;
        int index = u8(src, at + 2 + k) | high << 8;
        float scale = scale(d, u8(src, at + 74 + k / 4) >> (k & 2) * 2 & 15);
        point(IqGrids.IQ2_S, index, scale, u8(src, at + 34 + k), dst, to + 8 * k);
      }
    }
  }
}
