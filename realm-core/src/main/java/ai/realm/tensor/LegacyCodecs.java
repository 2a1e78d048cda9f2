package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Blocks of 32 weights with one scale.
final class LegacyCodecs {
  private LegacyCodecs() {}

  /// Q8_0: 32 weights in 34 bytes. See block_q8_0 in ggml-common.h.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–33 | 32 signed bytes q |
  ///
  /// w = d · q
  record Q80() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q8_0;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      for (int b = 0; b < count / 32; b++) {
        long block = srcOffset + 34L * b;
        float d = FloatCodecs.half(src, block);
        for (int i = 0; i < 32; i++) {
          dst[dstOffset + 32 * b + i] = d * src.get(ValueLayout.JAVA_BYTE, block + 2 + i);
        }
      }
    }
  }

  /// Q4_0: 32 weights in 18 bytes. See block_q4_0 in ggml-common.h.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–17 | low nibbles: weights 0–15; high nibbles: weights 16–31 |
  ///
  /// w = d · (q − 8)
  record Q40() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q4_0;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      for (int b = 0; b < count / 32; b++) {
        long block = srcOffset + 18L * b;
        float d = FloatCodecs.half(src, block);
        for (int i = 0; i < 16; i++) {
          int q = src.get(ValueLayout.JAVA_BYTE, block + 2 + i);
          dst[dstOffset + 32 * b + i] = d * ((q & 15) - 8);
          dst[dstOffset + 32 * b + 16 + i] = d * ((q >> 4 & 15) - 8);
        }
      }
    }
  }
}
