package ai.realm.tensor;

import static ai.realm.tensor.BlockwiseCodec.putHalf;
import static ai.realm.tensor.BlockwiseCodec.putU8;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Encodes blocks of 32 weights to the bytes that ggml makes, `quantize_row_q*_ref` and `_impl` in
/// ggml-quants.c. For one thread.
final class LegacyEncoder implements BlockEncoder {
  private static final ScaleSearch.Tries TRIES = new ScaleSearch.Tries(-0.9f, 0.05f, 36, false);

  private final GgmlType type;
  private final ScaleSearch search = new ScaleSearch();
  private final float[] x = new float[32];
  private final float[] weights = new float[32];
  private final int[] levels = new int[32];
  private float meanSquare;

  /// @param type Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0
  LegacyEncoder(GgmlType type) {
    this.type = type;
  }

  @Override
  public void startRow(float[] row, int from, int n) {
    meanSquare = ScaleSearch.squares(row, from, n) / n;
  }

  @Override
  public void encodeBlock(
      float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to) {
    System.arraycopy(src, from, x, 0, 32);
    if (importance != null) {
      for (int i = 0; i < 32; i++) {
        weights[i] = importance[at + i] * ScaleSearch.sqrt(meanSquare + x[i] * x[i]);
      }
    }
    boolean weighted = importance != null;
    switch (type) {
      case Q4_0 -> symmetric(8, weighted, dst, to);
      case Q5_0 -> symmetric(16, weighted, dst, to);
      case Q4_1 -> affine(15, weighted, dst, to);
      case Q5_1 -> affine(31, weighted, dst, to);
      default -> bytes(dst, to);
    }
  }

  private void symmetric(int nmax, boolean weighted, MemorySegment dst, long to) {
    float d;
    if (weighted) {
      d = search.symmetric(32, nmax, x, weights, levels, 0);
    } else {
      d = ScaleSearch.extreme(x, 0, 32) / -nmax;
      float inverse = d != 0 ? 1 / d : 0;
      for (int i = 0; i < 32; i++) {
        byte l = (byte) ScaleSearch.cut(x[i] * inverse + (nmax + 0.5f));
        levels[i] = Math.min(2 * nmax - 1, l);
      }
    }
    putHalf(dst, to, d);
    if (nmax == 16) {
      putFifthBits(dst, to + 2);
    }
    putNibbles(dst, nmax == 16 ? to + 6 : to + 2);
  }

  private void affine(int nmax, boolean weighted, MemorySegment dst, long to) {
    float d;
    float min;
    if (weighted) {
      d = search.affine(32, nmax, x, weights, levels, 0, TRIES);
      min = -search.min;
    } else {
      min = Float.MAX_VALUE;
      float max = -Float.MAX_VALUE;
      for (float v : x) {
        min = v < min ? v : min;
        max = v > max ? v : max;
      }
      d = (max - min) / nmax;
      float inverse = d != 0 ? 1 / d : 0;
      for (int i = 0; i < 32; i++) {
        byte l = (byte) ScaleSearch.cut((x[i] - min) * inverse + 0.5f);
        levels[i] = nmax == 15 ? Math.min(nmax, l) : l;
      }
    }
    putHalf(dst, to, d);
    putHalf(dst, to + 2, min);
    if (nmax == 31) {
      putFifthBits(dst, to + 4);
    }
    putNibbles(dst, nmax == 31 ? to + 8 : to + 4);
  }

  private void bytes(MemorySegment dst, long to) {
    float d = Math.abs(ScaleSearch.extreme(x, 0, 32)) / 127;
    float inverse = d != 0 ? 1 / d : 0;
    putHalf(dst, to, d);
    for (int i = 0; i < 32; i++) {
      putU8(dst, to + 2 + i, ScaleSearch.round(x[i] * inverse));
    }
  }

  private void putNibbles(MemorySegment dst, long to) {
    for (int i = 0; i < 16; i++) {
      putU8(
          dst,
          to + i,
          type == GgmlType.Q4_0 || type == GgmlType.Q4_1
              ? levels[i] | levels[i + 16] << 4
              : levels[i] & 15 | (levels[i + 16] & 15) << 4);
    }
  }

  private void putFifthBits(MemorySegment dst, long to) {
    int bits = 0;
    for (int i = 0; i < 32; i++) {
      bits |= (levels[i] >> 4 & 1) << i;
    }
    dst.set(BlockwiseCodec.INT, to, bits);
  }
}
