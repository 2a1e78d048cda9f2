package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.u16;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

/// Super-blocks of 256 weights, eight at a time a ternary point of a lattice, shifted by an eighth up
/// or down. See `block_iq1_*` in ggml-common.h; the lattice is [IqGrids#IQ1].
final class Iq1Codecs {
  private static final float DELTA = 0.125f;

  private Iq1Codecs() {}

  private static void point(int index, float scale, float delta, float[] dst, int to) {
    for (int i = 0; i < 8; i++) {
      dst[to + i] = scale * (IqGrids.IQ1.at(8 * index + i) + delta);
    }
  }

  /// IQ1_S: 256 weights in 50 bytes, 8 sub-blocks of 32.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–33 | low bytes of the 32 indices |
  /// | 34–49 | per sub-block 16 bits: 4 × 3 high bits of indices, 3 of scale, 1 for shift down |
  ///
  /// w = d · (2 · scale + 1) · (grid ± ⅛)
  record Iq1S() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ1_S;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int j = 0; j < 8; j++) {
        int high = u16(src, at + 34 + 2 * j);
        float scale = d * (2 * (high >> 12 & 7) + 1);
        float delta = high >> 15 != 0 ? -DELTA : DELTA;
        for (int k = 0; k < 4; k++) {
          int index = u8(src, at + 2 + 4 * j + k) | (high >> 3 * k & 7) << 8;
          point(index, scale, delta, dst, to + 32 * j + 8 * k);
        }
      }
    }
  }

  /// IQ1_M: 256 weights in 56 bytes, 16 sub-blocks of 16.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–31 | low bytes of the 32 indices |
  /// | 32–47 | per index a nibble: 3 high bits, 1 for shift down |
  /// | 48–55 | 4 × 16 bits: 4 scales of 3 bits; the top nibbles together are d, F16 |
  ///
  /// w = d · (2 · scale + 1) · (grid ± ⅛)
  record Iq1M() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ1_M;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      int bits = 0;
      for (int i = 0; i < 4; i++) {
        bits |= u16(src, at + 48 + 2 * i) >> 12 << 4 * i;
      }
      float d = Float.float16ToFloat((short) bits);
      for (int k = 0; k < 32; k++) {
        int scales = u16(src, at + 48 + 2 * (k / 8));
        float scale = d * (2 * (scales >> 3 * (k / 2 % 4) & 7) + 1);
        int high = u8(src, at + 32 + k / 2) >> 4 * (k & 1) & 15;
        int index = u8(src, at + k) | (high & 7) << 8;
        point(index, scale, high > 7 ? -DELTA : DELTA, dst, to + 8 * k);
      }
    }
  }
}
