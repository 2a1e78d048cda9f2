package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.putU8;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Tiny floats with a shared power of two, after the OCP Microscaling Formats specification 1.0.
final class MicroscalingCodecs {
  private MicroscalingCodecs() {}

  // Twice the E2M1 numbers, one a byte: 0 1 2 3 4 6 8 12.
  private static final long TWICE_E2M1 = 0x0c08_0604_0302_0100L;

  /// Twice the E2M1 number of four bits: sign, two bits of exponent, one of mantissa. There is no −0.
  static int twiceE2m1(int bits) {
    int magnitude = (int) (TWICE_E2M1 >>> (bits & 7) * 8) & 15;
    int sign = -(bits >> 3);
    return (magnitude ^ sign) - sign;
  }

  /// Half the E8M0 number of eight bits, 2^(e − 128); the smallest two are denormal.
  static float halfE8m0(int e) {
    return Float.intBitsToFloat(e < 2 ? 0x0020_0000 << e : e - 1 << 23);
  }

  /// MXFP4: 32 weights in 17 bytes. See block_mxfp4 in ggml-common.h.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0 | exponent e, E8M0 |
  /// | 1–16 | E2M1; low nibbles: weights 0–15; high nibbles: weights 16–31 |
  ///
  /// w = 2^(e − 127) · q
  record Mxfp4() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.MXFP4;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = halfE8m0(u8(src, at));
      for (int i = 0; i < 16; i++) {
        int q = u8(src, at + 1 + i);
        dst[to + i] = twiceE2m1(q & 15) * d;
        dst[to + 16 + i] = twiceE2m1(q >> 4) * d;
      }
    }
  }

  /// Half the UE4M3 number of eight bits: four of exponent, three of mantissa, no sign; 0x7f is zero.
  static float halfUe4m3(int bits) {
    int exponent = bits >> 3 & 15;
    int mantissa = bits & 7;
    if (bits == 0x7f) {
      return 0;
    }
    return exponent == 0 ? mantissa * 0x1p-10f : Math.scalb(8f + mantissa, exponent - 11);
  }

  /// The UE4M3 number near a positive one, as ggml rounds: halves up, at most 448.
  static int ue4m3(float x) {
    if (!(x > 0)) {
      return 0;
    }
    int bits = Float.floatToRawIntBits(Math.min(x, 448));
    int exponent = (bits >> 23 & 0xff) - 120;
    if (exponent <= 0) {
      return Math.min(7, (int) (x * 512 + 0.5f));
    }
    return Math.min(0x7e, (exponent << 3 | bits >> 20 & 7) + (bits >> 19 & 1));
  }

  /// NVFP4: 64 weights in 36 bytes, 4 sub-blocks of 16. See block_nvfp4 in ggml-common.h.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–3 | scales d, UE4M3 |
  /// | 4–35 | 4 × 8 bytes of E2M1; low nibbles: weights 0–7 of the sub-block; high: 8–15 |
  ///
  /// w = d · q
  record Nvfp4() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.NVFP4;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      for (int j = 0; j < 4; j++) {
        float d = halfUe4m3(u8(src, at + j));
        for (int i = 0; i < 8; i++) {
          int q = u8(src, at + 4 + 8 * j + i);
          dst[to + 16 * j + i] = twiceE2m1(q & 15) * d;
          dst[to + 16 * j + 8 + i] = twiceE2m1(q >> 4) * d;
        }
      }
    }
  }

  /// See quantize_row_nvfp4_ref in ggml-quants.c.
  static final class Nvfp4Encoder implements BlockEncoder {
    @Override
    public void encodeBlock(
        float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
      for (int j = 0; j < 4; j++) {
        int x = from + 16 * j;
        int scale = ue4m3(Math.abs(ScaleSearch.extreme(src, x, 16)) / 6);
        float d = halfUe4m3(scale);
        putU8(dst, to + j, scale);
        for (int i = 0; i < 8; i++) {
          int low = Mxfp4Encoder.nearest(src[x + i], d);
          putU8(dst, to + 4 + 8 * j + i, low | Mxfp4Encoder.nearest(src[x + 8 + i], d) << 4);
        }
      }
    }
  }

  /// The exponent comes from the greatest weight, each number is the nearest; see
  /// quantize_row_mxfp4_ref in ggml-quants.c.
  static final class Mxfp4Encoder implements BlockEncoder {
    private static final double LOG_2 = Math.log(2);

    @Override
    public void encodeBlock(
        float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
      float max = Math.abs(ScaleSearch.extreme(src, from, 32));
      int e = max > 0 ? (int) Math.floor((float) (Math.log(max) / LOG_2)) - 2 + 127 & 0xff : 0;
      float d = halfE8m0(e);
      putU8(dst, to, e);
      for (int i = 0; i < 16; i++) {
        putU8(dst, to + 1 + i, nearest(src[from + i], d) | nearest(src[from + 16 + i], d) << 4);
      }
    }

    private static int nearest(float x, float d) {
      int best = 0;
      float least = Math.abs(x);
      for (int q = 1; q < 16; q++) {
        float error = Math.abs(twiceE2m1(q) * d - x);
        if (error < least) {
          best = q;
          least = error;
        }
      }
      return best;
    }
  }
}
