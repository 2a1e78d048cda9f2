package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Super-blocks of 256 weights whose sub-blocks have quantized scales.
final class KQuantCodecs {
  private KQuantCodecs() {}

  private static int u8(MemorySegment src, long offset) {
    return src.get(ValueLayout.JAVA_BYTE, offset) & 0xff;
  }

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

  /// Q4_K: 256 weights in 144 bytes, 8 sub-blocks of 32 with 6-bit scales and mins. See block_q4_K in
  /// ggml-common.h.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | d, F16 |
  /// | 2–3 | dmin, F16 |
  /// | 4–15 | 8 scales and 8 mins of 6 bits |
  /// | 16–143 | 4 × 32 bytes; low nibbles: sub-block 2k, high nibbles: sub-block 2k + 1 |
  ///
  /// w = d · scale · q − dmin · min
  record Q4K() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q4_K;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      for (int b = 0; b < count / 256; b++) {
        long block = srcOffset + 144L * b;
        float d = FloatCodecs.half(src, block);
        float dmin = FloatCodecs.half(src, block + 2);
        for (int j = 0; j < 8; j++) {
          float scale = d * scale(src, block + 4, j);
          float min = dmin * min(src, block + 4, j);
          for (int i = 0; i < 32; i++) {
            int q = u8(src, block + 16 + 32 * (j / 2) + i) >> 4 * (j & 1) & 15;
            dst[dstOffset + 256 * b + 32 * j + i] = scale * q - min;
          }
        }
      }
    }
  }

  /// Q5_K: 256 weights in 176 bytes: Q4_K with a fifth bit. See block_q5_K in ggml-common.h.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–15 | d, dmin, scales and mins as in Q4_K |
  /// | 16–47 | fifth bits: bit j of byte i is that of weight i of sub-block j |
  /// | 48–175 | nibbles as in Q4_K |
  record Q5K() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q5_K;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      for (int b = 0; b < count / 256; b++) {
        long block = srcOffset + 176L * b;
        float d = FloatCodecs.half(src, block);
        float dmin = FloatCodecs.half(src, block + 2);
        for (int j = 0; j < 8; j++) {
          float scale = d * scale(src, block + 4, j);
          float min = dmin * min(src, block + 4, j);
          for (int i = 0; i < 32; i++) {
            int low = u8(src, block + 48 + 32 * (j / 2) + i) >> 4 * (j & 1) & 15;
            int high = u8(src, block + 16 + i) >> j & 1;
            dst[dstOffset + 256 * b + 32 * j + i] = scale * (low | high << 4) - min;
          }
        }
      }
    }
  }

  /// Q6_K: 256 weights in 210 bytes, 16 sub-blocks of 16 with signed 8-bit scales. See block_q6_K in
  /// ggml-common.h.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–127 | low nibbles: per half of 128 weights, 64 bytes for quarters 0|2 and 1|3 |
  /// | 128–191 | high bit pairs: per half 32 bytes, one pair per quarter |
  /// | 192–207 | 16 signed scales |
  /// | 208–209 | d, F16 |
  ///
  /// w = d · scale · (q − 32)
  record Q6K() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q6_K;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      for (int b = 0; b < count / 256; b++) {
        long block = srcOffset + 210L * b;
        float d = FloatCodecs.half(src, block + 208);
        for (int i = 0; i < 256; i++) {
          int half = i >> 7;
          int quarter = i >> 5 & 3;
          int l = i & 31;
          int low = u8(src, block + 64 * half + 32 * (quarter & 1) + l) >> 4 * (quarter >> 1) & 15;
          int high = u8(src, block + 128 + 32 * half + l) >> 2 * quarter & 3;
          int scale = src.get(ValueLayout.JAVA_BYTE, block + 192 + i / 16);
          dst[dstOffset + 256 * b + i] = d * scale * ((low | high << 4) - 32);
        }
      }
    }
  }
}
