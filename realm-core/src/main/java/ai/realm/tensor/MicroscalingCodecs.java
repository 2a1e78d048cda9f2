package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;

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
}
