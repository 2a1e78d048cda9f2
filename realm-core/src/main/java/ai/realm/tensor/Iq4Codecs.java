package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.u16;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

/// Four bits that choose one of 16 unevenly spaced values. See `block_iq4_*` and `kvalues_iq4nl` in
/// ggml-common.h.
final class Iq4Codecs {
  private Iq4Codecs() {}

  /// Value q of the scale; a switch, for a table would be an array that anybody could change.
  static int value(int q) {
    return switch (q) {
      case 0 -> -127;
      case 1 -> -104;
      case 2 -> -83;
      case 3 -> -65;
      case 4 -> -49;
      case 5 -> -35;
      case 6 -> -22;
      case 7 -> -10;
      case 8 -> 1;
      case 9 -> 13;
      case 10 -> 25;
      case 11 -> 38;
      case 12 -> 53;
      case 13 -> 69;
      case 14 -> 89;
      default -> 113;
    };
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
