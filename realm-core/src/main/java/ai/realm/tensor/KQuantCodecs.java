package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.i8;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

/// Super-blocks of 256 weights whose sub-blocks have quantized scales. See the `block_q*_K` structs in
/// ggml-common.h.
final class KQuantCodecs {
  private KQuantCodecs() {}

  /// Scale of sub-block j, six bits out of the 12 bytes that hold eight scales and eight mins.
  private static int scale(MemorySegment src, long scales, int j) {
    return j < 4
        ? u8(src, scales + j) & 63
        : u8(src, scales + j + 4) & 15 | u8(src, scales + j - 4) >> 6 << 4;
  }

  /// Min of sub-block j, likewise.
  private static int min(MemorySegment src, long scales, int j) {
    return j < 4
        ? u8(src, scales + j + 4) & 63
        : u8(src, scales + j + 4) >> 4 | u8(src, scales + j) >> 6 << 4;
  }

  /// Q2_K: 256 weights in 84 bytes, 16 sub-blocks of 16 with 4-bit scales and mins.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–15 | sub-block j: scale in the low nibble, min in the high |
  /// | 16–79 | per half of 128 weights 32 bytes; bit pair k: weights 32k to 32k + 31 of the half |
  /// | 80–81 | d, F16 |
  /// | 82–83 | dmin, F16 |
  ///
  /// w = d · scale · q − dmin · min
  record Q2K() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q2_K;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at + 80);
      float dmin = half(src, at + 82);
      for (int j = 0; j < 16; j++) {
        int sub = u8(src, at + j);
        float scale = d * (sub & 15);
        float min = dmin * (sub >> 4);
        long q = at + 16 + 32 * (j / 8) + 16 * (j & 1);
        int shift = j / 2 % 4 * 2;
        for (int i = 0; i < 16; i++) {
          dst[to + 16 * j + i] = scale * (u8(src, q + i) >> shift & 3) - min;
        }
      }
    }
  }

  /// Q3_K: 256 weights in 110 bytes, 16 sub-blocks of 16 with 6-bit scales.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–31 | third bits: bit k of byte i is that of weight 32k + i |
  /// | 32–95 | low bit pairs as in Q2_K |
  /// | 96–103 | low nibbles of the scales: j in the low half, j + 8 in the high |
  /// | 104–107 | high bit pairs of the scales: pair k of byte i is that of scale 4k + i |
  /// | 108–109 | d, F16 |
  ///
  /// w = d · (scale − 32) · (q − 4)
  record Q3K() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q3_K;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at + 108);
      for (int j = 0; j < 16; j++) {
        int low = u8(src, at + 96 + j % 8) >> j / 8 * 4 & 15;
        int high = u8(src, at + 104 + j % 4) >> j / 4 * 2 & 3;
        float scale = d * ((low | high << 4) - 32);
        long q = at + 32 + 32 * (j / 8) + 16 * (j & 1);
        long third = at + 16 * (j & 1);
        int shift = j / 2 % 4 * 2;
        for (int i = 0; i < 16; i++) {
          int bits = u8(src, q + i) >> shift & 3 | (u8(src, third + i) >> j / 2 & 1) << 2;
          dst[to + 16 * j + i] = scale * (bits - 4);
        }
      }
    }
  }

  /// Q4_K: 256 weights in 144 bytes, 8 sub-blocks of 32 with 6-bit scales and mins.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–3 | dmin, F16 |
  /// | 4–15 | 8 scales and 8 mins of 6 bits |
  /// | 16–143 | 4 × 32 bytes; low nibbles: sub-block 2k, high nibbles: sub-block 2k + 1 |
  ///
  /// w = d · scale · q − dmin · min
  record Q4K() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q4_K;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      float dmin = half(src, at + 2);
      for (int j = 0; j < 8; j++) {
        float scale = d * scale(src, at + 4, j);
        float min = dmin * min(src, at + 4, j);
        long q = at + 16 + 32 * (j / 2);
        for (int i = 0; i < 32; i++) {
          dst[to + 32 * j + i] = scale * (u8(src, q + i) >> 4 * (j & 1) & 15) - min;
        }
      }
    }
  }

  /// Q5_K: 256 weights in 176 bytes: Q4_K with a fifth bit.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–15 | d, dmin, scales and mins as in Q4_K |
  /// | 16–47 | fifth bits: bit j of byte i is that of weight i of sub-block j |
  /// | 48–175 | nibbles as in Q4_K |
  record Q5K() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q5_K;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      float dmin = half(src, at + 2);
      for (int j = 0; j < 8; j++) {
        float scale = d * scale(src, at + 4, j);
        float min = dmin * min(src, at + 4, j);
        long q = at + 48 + 32 * (j / 2);
        for (int i = 0; i < 32; i++) {
          int low = u8(src, q + i) >> 4 * (j & 1) & 15;
          int high = u8(src, at + 16 + i) >> j & 1;
          dst[to + 32 * j + i] = scale * (low | high << 4) - min;
        }
      }
    }
  }

  /// Q6_K: 256 weights in 210 bytes, 16 sub-blocks of 16 with signed 8-bit scales.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–127 | low nibbles: per half of 128 weights, 64 bytes for quarters 0\|2 and 1\|3 |
  /// | 128–191 | high bit pairs: per half 32 bytes, one pair per quarter |
  /// | 192–207 | 16 signed scales |
  /// | 208–209 | d, F16 |
  ///
  /// w = d · scale · (q − 32)
  record Q6K() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q6_K;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at + 208);
      for (int j = 0; j < 16; j++) {
        int half = j / 8;
        int quarter = j / 2 % 4;
        float scale = d * i8(src, at + 192 + j);
        long low = at + 64 * half + 32 * (quarter & 1) + 16 * (j & 1);
        long high = at + 128 + 32 * half + 16 * (j & 1);
        for (int i = 0; i < 16; i++) {
          int q = u8(src, low + i) >> 4 * (quarter >> 1) & 15;
          int top = u8(src, high + i) >> 2 * quarter & 3;
          dst[to + 16 * j + i] = scale * ((q | top << 4) - 32);
        }
      }
    }
  }
}
