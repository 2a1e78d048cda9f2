package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.putHalf;
import static ai.realm.tensor.BlockwiseCodec.putU8;
import static ai.realm.tensor.ScaleSearch.clamp;
import static ai.realm.tensor.ScaleSearch.nearest;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Encodes the unevenly spaced four-bit types to the bytes that ggml makes,
/// `quantize_row_iq4_nl_impl` in ggml-quants.c. For one thread.
final class Iq4Encoder implements BlockEncoder {
  /// Tried are the scales that bring the extreme weight to −127 − 7 … −127 + 7.
  private static final int REACH = 7;

  private static final int LOWEST = -127;
  private static final int HIGHEST = 113;

  private final byte[] below = levelsBelow();
  private final GgmlType type;
  private final boolean once;
  private final float[] x = new float[256];
  private final float[] weights = new float[32];
  private final int[] levels = new int[256];
  private final float[] scales = new float[8];

  /// @param type IQ4_NL or IQ4_XS
  /// @param once whether the first scale is taken, as for activations
  Iq4Encoder(GgmlType type, boolean once) {
    this.type = type;
    this.once = once;
  }

  /// For each whole number from −127 to 112 the highest level whose value is not above it.
  private static byte[] levelsBelow() {
    byte[] below = new byte[240];
    int level = 0;
    for (int x = LOWEST; x < HIGHEST; x++) {
      level += level < 15 && Iq4Codecs.value(level + 1) <= x ? 1 : 0;
      below[x - LOWEST] = (byte) level;
    }
    return below;
  }

  /// The level whose value is nearest; between two the upper one.
  private int level(float x) {
    if (x <= LOWEST) {
      return 0;
    }
    if (!(x < HIGHEST)) {
      return 15;
    }
    int low = below[(int) Math.floor(x) - LOWEST];
    return x - Iq4Codecs.value(low) < Iq4Codecs.value(low + 1) - x ? low : low + 1;
  }

  @Override
  public void encodeBlock(
      float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
    int n = type.blockSize();
    System.arraycopy(src, from, x, 0, n);
    float spread = ScaleSearch.squares(x, 0, n) * (2f / n);
    for (int j = 0; j < n / 32; j++) {
      for (int i = 0; i < 32; i++) {
        float v = x[32 * j + i];
        weights[i] =
            importance == null
                ? v * v
                : importance[at + 32 * j + i] * ScaleSearch.sqrt(spread + v * v);
      }
      scales[j] = scale(32 * j);
    }
    if (type == GgmlType.IQ4_NL) {
      putHalf(dst, to, scales[0]);
      if (!once) {
        round(0, scales[0] != 0 ? 1 / scales[0] : 0);
      }
      putNibbles(dst, to + 2, 0);
      return;
    }
    float d = -ScaleSearch.extreme(scales, 0, 8) / 32;
    putHalf(dst, to, d);
    float inverse = d != 0 ? 1 / d : 0;
    int high = 0;
    int low = 0;
    for (int j = 0; j < 8; j++) {
      int l = clamp(-32, 31, nearest(inverse * scales[j]));
      float scale = d * l;
      round(32 * j, scale != 0 ? 1 / scale : 0);
      high |= (l + 32 >> 4) << 2 * j;
      low |= (l + 32 & 15) << 4 * j;
      putNibbles(dst, to + 8 + 16 * j, 32 * j);
    }
    dst.set(BlockwiseCodec.SHORT, to + 2, (short) high);
    dst.set(BlockwiseCodec.INT, to + 4, low);
  }

  /// The best scale of 32 weights; their levels are left from the first try.
  private float scale(int from) {
    float max = ScaleSearch.extreme(x, from, 32);
    if (Math.abs(max) < ScaleSearch.NOTHING) {
      return 0;
    }
    int lowest = Iq4Codecs.value(0);
    float inverse = 1 / (once ? max / lowest : -max / lowest);
    float best = 0;
    float scale = 0;
    int attempts = once ? 1 : 2 * REACH + 2;
    for (int a = 0; a < attempts; a++) {
      boolean first = a == 0;
      inverse = first ? inverse : (a - 1 - REACH + lowest) / max;
      float sumqx = 0;
      float sumq2 = 0;
      for (int i = 0; i < 32; i++) {
        int l = level(inverse * x[from + i]);
        if (first) {
          levels[from + i] = l;
        }
        float q = Iq4Codecs.value(l);
        sumqx += weights[i] * q * x[from + i];
        sumq2 += weights[i] * q * q;
      }
      if (first || (sumq2 > 0 && sumqx * sumqx > best * sumq2)) {
        scale = sumq2 > 0 ? sumqx / sumq2 : 0;
        best = scale * sumqx;
      }
    }
    return scale;
  }

  private void round(int from, float inverse) {
    for (int i = from; i < from + 32; i++) {
      levels[i] = level(inverse * x[i]);
    }
  }

  private void putNibbles(MemorySegment dst, long to, int from) {
    for (int i = 0; i < 16; i++) {
      putU8(dst, to + i, levels[from + i] | levels[from + 16 + i] << 4);
    }
  }
}
