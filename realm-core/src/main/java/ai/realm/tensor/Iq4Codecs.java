package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.u16;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

/// Four bits that choose one of 16 unevenly spaced values. See `block_iq4_*` and `kvalues_iq4nl` in
/// ggml-common.h.
final class Iq4Codecs {
  private Iq4Codecs() {}

  // The 16 values, one a byte: −127 −104 −83 −65 −49 −35 −22 −10, 1 13 25 38 53 69 89 113.
  private static final long NEGATIVE = 0xf6ea_ddcf_bfad_9881L;
  private static final long POSITIVE = 0x7159_4535_2619_0d01L;

  /// Value q, 0 to 15.
  static int value(int q) {
    return (byte) ((q < 8 ? NEGATIVE : POSITIVE) >>> (q & 7) * 8);
  }

  /// IQ4_NL: 32 weights in 18 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–17 | low nibbles: weights 0–15; high nibbles: weights 16–31 |
  ///
  /// w = d · value(q)
  record Iq4Nl() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ4_NL;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int i = 0; i < 16; i++) {
        int q = u8(src, at + 2 + i);
        dst[to + i] = d * value(q & 15);
        dst[to + 16 + i] = d * value(q >> 4);
      }
    }
  }

  /// IQ4_XS: 256 weights in 136 bytes, 8 sub-blocks of 32 with 6-bit scales.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–3 | high bit pairs of the scales: pair j is that of sub-block j |
  /// | 4–7 | low nibbles of the scales: sub-blocks 2k and 2k + 1 |
  /// | 8–135 | 8 × 16 bytes, nibbles as in IQ4_NL |
  ///
  /// w = d · (scale − 32) · value(q)
  record Iq4Xs() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.IQ4_XS;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      int high = u16(src, at + 2);
      for (int j = 0; j < 8; j++) {
        int low = u8(src, at + 4 + j / 2) >> 4 * (j & 1) & 15;
        float scale = d * ((low | (high >> 2 * j & 3) << 4) - 32);
        for (int i = 0; i < 16; i++) {
          int q = u8(src, at + 8 + 16 * j + i);
          dst[to + 32 * j + i] = scale * value(q & 15);
          dst[to + 32 * j + 16 + i] = scale * value(q >> 4);
        }
      }
    }
  }
}
