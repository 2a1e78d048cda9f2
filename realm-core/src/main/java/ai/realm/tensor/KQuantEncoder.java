package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.half;
import static ai.realm.tensor.BlockwiseCodec.putHalf;
import static ai.realm.tensor.BlockwiseCodec.putU8;
import static ai.realm.tensor.ScaleSearch.clamp;
import static ai.realm.tensor.ScaleSearch.nearest;
import static ai.realm.tensor.ScaleSearch.sqrt;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Encodes super-blocks of 256 weights to the bytes that ggml makes, `quantize_row_q*_K_ref` and
/// `_impl` in ggml-quants.c: first a scale (and min) for each sub-block, then these are quantized
/// themselves, then the weights are rounded with what is left of them. For one thread.
final class KQuantEncoder implements BlockEncoder {
  private static final ScaleSearch.Tries PLAIN_Q2 = new ScaleSearch.Tries(-0.5f, 0.1f, 15, true);
  private static final ScaleSearch.Tries PLAIN_Q4 = new ScaleSearch.Tries(-1, 0.1f, 20, false);
  private static final ScaleSearch.Tries PLAIN_Q5 = new ScaleSearch.Tries(-0.5f, 0.1f, 15, false);
  private static final ScaleSearch.Tries WEIGHTED = new ScaleSearch.Tries(-0.9f, 0.05f, 36, false);

  private final GgmlType type;
  private final ScaleSearch search = new ScaleSearch();
  private final float[] x = new float[256];
  private final float[] weights = new float[256];
  private final int[] levels = new int[256];
  private final float[] scales = new float[16];
  private final float[] mins = new float[16];
  private final float[] groupWeights = new float[16];
  private final int[] scaleLevels = new int[16];
  private final int[] minLevels = new int[16];

  /// @param type Q2_K to Q6_K
  KQuantEncoder(GgmlType type) {
    this.type = type;
  }

  @Override
  public void encodeBlock(
      float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
    System.arraycopy(src, from, x, 0, 256);
    switch (type) {
      case Q2_K -> q2(importance, at, dst, to);
      case Q3_K -> q3(importance, at, dst, to);
      case Q4_K -> q45(15, importance, at, dst, to);
      case Q5_K -> q45(31, importance, at, dst, to);
      default -> q6(importance, at, dst, to);
    }
  }

  /// importance · √(spread + x²), and the sum over each group.
  private void weigh(float[] importance, int at, float spread, int group) {
    for (int j = 0; j < 256 / group; j++) {
      float sum = 0;
      for (int i = group * j; i < group * (j + 1); i++) {
        weights[i] = importance[at + i] * sqrt(spread + x[i] * x[i]);
        sum += weights[i];
      }
      groupWeights[j] = sum;
    }
  }

  // ---- Q2_K

  private void q2(float @Nullable [] importance, int at, MemorySegment dst, long to) {
    if (importance == null) {
      for (int i = 0; i < 256; i++) {
        weights[i] = Math.abs(x[i]);
      }
    } else {
      weigh(importance, at, ScaleSearch.squares(x, 0, 256) / 256, 16);
    }
    for (int j = 0; j < 16; j++) {
      ScaleSearch.Tries tries = importance == null ? PLAIN_Q2 : WEIGHTED;
      scales[j] = search.affine(16, 3, x, weights, levels, 16 * j, tries);
      mins[j] = search.min;
    }
    putHalf(dst, to + 80, quantize(16, 15, scales, scaleLevels, importance != null));
    putHalf(dst, to + 82, quantize(16, 15, mins, minLevels, importance != null));
    for (int j = 0; j < 16; j++) {
      putU8(dst, to + j, scaleLevels[j] | minLevels[j] << 4);
    }
    roundAffine(16, 3, half(dst, to + 80), half(dst, to + 82));
    putBitPairs(dst, to + 16);
  }

  /// Quantizes scales or mins, which are not negative, to 0–nmax, and returns the scale of that.
  private float quantize(int n, int nmax, float[] values, int[] quantized, boolean weighted) {
    if (weighted) {
      return search.positive(n, nmax, values, groupWeights, quantized);
    }
    float max = 0;
    for (int j = 0; j < n; j++) {
      max = values[j] > max ? values[j] : max;
    }
    float inverse = max > 0 ? nmax / max : 0;
    for (int j = 0; j < n; j++) {
      int level = nearest(inverse * values[j]) & 0xff;
      quantized[j] = nmax == 63 ? Math.min(nmax, level) : level;
    }
    return max > 0 ? max / nmax : 0;
  }

  /// Rounds the weights with the scales and mins that the block will have.
  private void roundAffine(int group, int nmax, float d, float dmin) {
    for (int j = 0; j < 256 / group; j++) {
      float scale = d * scaleLevels[j];
      float min = dmin * minLevels[j];
      if (scale != 0) {
        for (int i = group * j; i < group * (j + 1); i++) {
          levels[i] = clamp(0, nmax, nearest((x[i] + min) / scale));
        }
      }
    }
  }

  private void putBitPairs(MemorySegment dst, long to) {
    for (int i = 0; i < 64; i++) {
      int l = 128 * (i / 32) + i % 32;
      int bits = levels[l] & 3 | (levels[l + 32] & 3) << 2;
      putU8(dst, to + i, bits | (levels[l + 64] & 3) << 4 | (levels[l + 96] & 3) << 6);
    }
  }

  // ---- Q3_K

  private void q3(float @Nullable [] importance, int at, MemorySegment dst, long to) {
    float d;
    if (importance == null) {
      for (int j = 0; j < 16; j++) {
        scales[j] = search.symmetricByDescent(16, 4, x, levels, 16 * j);
      }
      float max = ScaleSearch.extreme(scales, 0, 16);
      float inverse = max != 0 ? -32 / max : 0;
      for (int j = 0; j < 16; j++) {
        byte level = (byte) nearest(inverse * scales[j]);
        scaleLevels[j] = max != 0 ? clamp(-32, 31, level) + 32 : 0;
      }
      d = max != 0 ? 1 / inverse : 0;
    } else {
      weigh(importance, at, 2 * ScaleSearch.squares(x, 0, 256) / 256, 16);
      for (int j = 0; j < 16; j++) {
        scales[j] = search.symmetric(16, 4, x, weights, levels, 16 * j);
      }
      d = search.symmetric(16, 32, scales, groupWeights, scaleLevels, 0);
    }
    putHalf(dst, to + 108, d);
    roundSymmetric(4, half(dst, to + 108), 32);
    for (int j = 0; j < 8; j++) {
      putU8(dst, to + 96 + j, scaleLevels[j] & 15 | (scaleLevels[j + 8] & 15) << 4);
    }
    for (int j = 0; j < 4; j++) {
      int high = 0;
      for (int k = 0; k < 4; k++) {
        high |= scaleLevels[4 * k + j] >> 4 << 2 * k;
      }
      putU8(dst, to + 104 + j, high);
    }
    for (int i = 0; i < 32; i++) {
      int third = 0;
      for (int k = 0; k < 8; k++) {
        third |= levels[32 * k + i] >> 2 << k;
      }
      putU8(dst, to + i, third);
    }
    putBitPairs(dst, to + 32);
  }

  /// Rounds the weights with the scales that the block will have, of which `zero` stands for none.
  private void roundSymmetric(int nmax, float d, int zero) {
    for (int j = 0; j < 16; j++) {
      float scale = d * (scaleLevels[j] - zero);
      if (scale != 0) {
        for (int i = 16 * j; i < 16 * (j + 1); i++) {
          levels[i] = clamp(-nmax, nmax - 1, nearest(x[i] / scale)) + nmax;
        }
      }
    }
  }

  // ---- Q4_K and Q5_K

  private void q45(int nmax, float @Nullable [] importance, int at, MemorySegment dst, long to) {
    if (importance == null) {
      for (int j = 0; j < 8; j++) {
        float mean = sqrt(ScaleSearch.squares(x, 32 * j, 32) / 32);
        for (int i = 32 * j; i < 32 * (j + 1); i++) {
          weights[i] = mean + Math.abs(x[i]);
        }
      }
    } else {
      weigh(importance, at, 2 * ScaleSearch.squares(x, 0, 256) / 256, 32);
    }
    ScaleSearch.Tries plain = nmax == 15 ? PLAIN_Q4 : PLAIN_Q5;
    for (int j = 0; j < 8; j++) {
      ScaleSearch.Tries tries = importance == null ? plain : WEIGHTED;
      scales[j] = search.affine(32, nmax, x, weights, levels, 32 * j, tries);
      mins[j] = search.min;
    }
    putHalf(dst, to, quantize(8, 63, scales, scaleLevels, importance != null));
    putHalf(dst, to + 2, quantize(8, 63, mins, minLevels, importance != null));
    for (int j = 0; j < 4; j++) {
      int scale = scaleLevels[j + 4];
      int min = minLevels[j + 4];
      putU8(dst, to + 4 + j, scaleLevels[j] | scale >> 4 << 6);
      putU8(dst, to + 8 + j, minLevels[j] | min >> 4 << 6);
      putU8(dst, to + 12 + j, scale & 15 | (min & 15) << 4);
    }
    roundAffine(32, nmax, half(dst, to), half(dst, to + 2));
    long nibbles = to + 16;
    if (nmax == 31) {
      for (int i = 0; i < 32; i++) {
        int fifth = 0;
        for (int j = 0; j < 8; j++) {
          fifth |= levels[32 * j + i] >> 4 << j;
        }
        putU8(dst, to + 16 + i, fifth);
      }
      nibbles = to + 48;
    }
    for (int i = 0; i < 128; i++) {
      int l = 64 * (i / 32) + i % 32;
      putU8(dst, nibbles + i, levels[l] & 15 | (levels[l + 32] & 15) << 4);
    }
  }

  // ---- Q6_K

  private void q6(float @Nullable [] importance, int at, MemorySegment dst, long to) {
    float @Nullable [] given = null;
    if (importance != null) {
      System.arraycopy(importance, at, weights, 0, 256);
      given = weights;
    }
    for (int j = 0; j < 16; j++) {
      scales[j] = search.symmetric(16, 32, x, given, levels, 16 * j);
    }
    float max = ScaleSearch.extreme(scales, 0, 16);
    if (Math.abs(max) < ScaleSearch.NOTHING) {
      dst.asSlice(to, 210).fill((byte) 0);
      return;
    }
    float inverse = -128 / max;
    putHalf(dst, to + 208, 1 / inverse);
    for (int j = 0; j < 16; j++) {
      scaleLevels[j] = (byte) Math.min(127, nearest(inverse * scales[j]));
      putU8(dst, to + 192 + j, scaleLevels[j]);
    }
    roundSymmetric(32, half(dst, to + 208), 0);
    for (int i = 0; i < 64; i++) {
      int half = i / 32;
      int l = 128 * half + i % 32;
      putU8(dst, to + 64 * half + i % 32, levels[l] & 15 | (levels[l + 64] & 15) << 4);
      putU8(dst, to + 64 * half + 32 + i % 32, levels[l + 32] & 15 | (levels[l + 96] & 15) << 4);
      int high = levels[l] >> 4 | levels[l + 32] >> 4 << 2;
      putU8(dst, to + 128 + i, high | levels[l + 64] >> 4 << 4 | levels[l + 96] >> 4 << 6);
    }
  }
}
