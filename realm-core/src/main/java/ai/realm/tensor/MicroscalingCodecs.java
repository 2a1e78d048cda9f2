package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.putU8;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Tiny floats with a shared power of two, after the OCP Microscaling Formats specification 1.0.
final class MicroscalingCodecs {
  private MicroscalingCodecs() {}

  /// Twice the E2M1 number of four bits: sign, two bits of exponent, one of mantissa.
  static int twiceE2m1(int bits) {
    int exponent = bits >> 1 & 3;
    int mantissa = bits & 1;
    int magnitude = exponent == 0 ? mantissa : 2 + mantissa << exponent - 1;
    return bits > 7 ? -magnitude : magnitude;
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
