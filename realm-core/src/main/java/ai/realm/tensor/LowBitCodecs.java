package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.putHalf;
import static ai.realm.tensor.BlockwiseCodec.putU8;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// One or two bits a weight and one scale a block. See `block_q1_0` and `block_q2_0` in ggml-common.h.
final class LowBitCodecs {
  private LowBitCodecs() {}

  /// Q1_0: 128 weights in 18 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–17 | 128 bits, set where the weight is positive |
  ///
  /// w = ±d
  record Q10() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q1_0;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int i = 0; i < 128; i++) {
        dst[to + i] = IqGrids.signed(d, ~u8(src, at + 2 + i / 8) >> i % 8);
      }
    }
  }

  /// Q2_0: 64 weights in 18 bytes.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–1 | scale d, F16 |
  /// | 2–17 | 64 bit pairs |
  ///
  /// w = d · (q − 1)
  record Q20() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.Q2_0;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at);
      for (int i = 0; i < 64; i++) {
        dst[to + i] = ((u8(src, at + 2 + i / 4) >> i % 4 * 2 & 3) - 1) * d;
      }
    }
  }

  /// The scale is the mean magnitude; see quantize_row_q1_0_ref in ggml-quants.c.
  static final class Q10Encoder implements BlockEncoder {
    @Override
    public void encodeBlock(
        float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
      float sum = 0;
      for (int i = 0; i < 128; i++) {
        sum += Math.abs(src[from + i]);
      }
      putHalf(dst, to, sum / 128);
      for (int b = 0; b < 16; b++) {
        int bits = 0;
        for (int i = 0; i < 8; i++) {
          bits |= src[from + 8 * b + i] >= 0 ? 1 << i : 0;
        }
        putU8(dst, to + 2 + b, bits);
      }
    }
  }

  /// The scale is the greatest magnitude; see quantize_row_q2_0_ref in ggml-quants.c.
  static final class Q20Encoder implements BlockEncoder {
    @Override
    public void encodeBlock(
        float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
      float d = Math.abs(ScaleSearch.extreme(src, from, 64));
      float inverse = d > 0 ? 1 / d : 0;
      putHalf(dst, to, d);
      for (int b = 0; b < 16; b++) {
        int bits = 0;
        for (int i = 0; i < 4; i++) {
          int q = ScaleSearch.round(src[from + 4 * b + i] * inverse) + 1;
          bits |= ScaleSearch.clamp(0, 3, q) << 2 * i;
        }
        putU8(dst, to + 2 + b, bits);
      }
    }
  }
}
