package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.putHalf;
import static ai.realm.tensor.BlockwiseCodec.putU8;
import static ai.realm.tensor.BlockwiseCodec.u8;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Super-blocks of 256 weights that are −1, 0 or 1 times one scale. See `block_tq*` in ggml-common.h.
final class TernaryCodecs {
  private TernaryCodecs() {}

  /// TQ1_0: 256 weights in 54 bytes, five ternary digits to a byte.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–31 | weights 0–159: digit n of byte i is weight 32n + i |
  /// | 32–47 | weights 160–239: digit n of byte i is weight 160 + 16n + i |
  /// | 48–51 | weights 240–255: digit n of byte i is weight 240 + 4n + i |
  /// | 52–53 | d, F16 |
  ///
  /// A byte is a fraction of 256 whose ternary digits come out by multiplying with 3: so digit n is
  /// the upper byte of 3 · (byte · 3ⁿ mod 256). w = d · (digit − 1)
  record Tq10() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.TQ1_0;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at + 52);
      digits(src, at, 32, 5, d, dst, to);
      digits(src, at + 32, 16, 5, d, dst, to + 160);
      digits(src, at + 48, 4, 4, d, dst, to + 240);
    }

    private static void digits(
        MemorySegment src, long at, int bytes, int digits, float d, float[] dst, int to) {
      int power = 1;
      for (int n = 0; n < digits; n++) {
        for (int i = 0; i < bytes; i++) {
          int rest = u8(src, at + i) * power & 0xff;
          dst[to + n * bytes + i] = ((rest * 3 >> 8) - 1) * d;
        }
        power *= 3;
      }
    }
  }

  /// TQ2_0: 256 weights in 66 bytes, four to a byte.
  ///
  /// | bytes | what |
  /// |---|---|
  /// | 0–63 | per half of 128 weights 32 bytes; bit pair k: weights 32k to 32k + 31 of the half |
  /// | 64–65 | d, F16 |
  ///
  /// w = d · (q − 1)
  record Tq20() implements BlockwiseCodec {
    @Override
    public GgmlType type() {
      return GgmlType.TQ2_0;
    }

    @Override
    public void decodeBlock(MemorySegment src, long at, float[] dst, int to) {
      float d = half(src, at + 64);
      for (int i = 0; i < 256; i++) {
        int q = u8(src, at + 32 * (i / 128) + i % 32) >> i / 32 % 4 * 2 & 3;
        dst[to + i] = (q - 1) * d;
      }
    }
  }

  /// Weights divided by the greatest, rounded to −1, 0 or 1 and stored as 0, 1 or 2.
  private static float levels(float[] x, int from, int[] levels) {
    float d = Math.abs(ScaleSearch.extreme(x, from, 256));
    float inverse = d != 0 ? 1 / d : 0;
    for (int i = 0; i < 256; i++) {
      levels[i] = ScaleSearch.round(x[from + i] * inverse) + 1;
    }
    return d;
  }

  /// See quantize_row_tq1_0_ref in ggml-quants.c.
  static final class Tq10Encoder implements BlockEncoder {
    private final int[] levels = new int[256];

    @Override
    public void encodeBlock(
        float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
      putHalf(dst, to + 52, levels(src, from, levels));
      putDigits(dst, to, 32, 5, 0);
      putDigits(dst, to + 32, 16, 5, 160);
      putDigits(dst, to + 48, 4, 4, 240);
    }

    private void putDigits(MemorySegment dst, long to, int bytes, int digits, int from) {
      for (int i = 0; i < bytes; i++) {
        int number = 0;
        for (int n = 0; n < 5; n++) {
          number = 3 * number + (n < digits ? levels[from + n * bytes + i] : 0) & 0xff;
        }
        // The fraction of 256 that is at least number / 243.
        putU8(dst, to + i, (number * 256 + 242) / 243);
      }
    }
  }

  /// See quantize_row_tq2_0_ref in ggml-quants.c.
  static final class Tq20Encoder implements BlockEncoder {
    private final int[] levels = new int[256];

    @Override
    public void encodeBlock(
        float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
      putHalf(dst, to + 64, levels(src, from, levels));
      for (int i = 0; i < 64; i++) {
        int bits = 0;
        for (int n = 0; n < 4; n++) {
          bits += (levels[128 * (i / 32) + 32 * n + i % 32] & 3) << 2 * n;
        }
        putU8(dst, to + i, bits);
      }
    }
  }
}
