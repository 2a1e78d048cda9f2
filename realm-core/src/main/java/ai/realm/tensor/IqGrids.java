package ai.realm.tensor;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;

/// The codebooks of the IQ1, IQ2 and IQ3 types: points of a lattice, chosen once by the authors of the
/// format; nothing shorter than the list gives them. They are constants of the file format, from
/// `iq*_grid` in ggml-common.h, and lie in `iq-grids.bin` as little-endian 16-bit entries:
///
/// | entries | grid | an entry |
/// |---|---|---|
/// | 256 | IQ2_XXS | 8 × 2 bits, each 8, 25 or 43 |
/// | 512 | IQ2_XS | the same |
/// | 1024 | IQ2_S | the same |
/// | 256 | IQ3_XXS | 4 × 3 bits, each 4, 12, 20, 28, 36, 44, 52 or 62 |
/// | 512 | IQ3_S | 4 × 3 bits, each 1, 3, 5 … 15 |
/// | 2048 | IQ1_S and IQ1_M | 8 × 2 bits, each −1, 0 or 1 |
enum IqGrids {
  IQ2_XXS(0, 256, 8, 8, 25, 43),
  IQ2_XS(256, 512, 8, 8, 25, 43),
  IQ2_S(768, 1024, 8, 8, 25, 43),
  IQ3_XXS(1792, 256, 4, 4, 12, 20, 28, 36, 44, 52, 62),
  IQ3_S(2048, 512, 4, 1, 3, 5, 7, 9, 11, 13, 15),
  IQ1(2560, 2048, 8, -1, 0, 1);

  private final byte[] points;

  IqGrids(int first, int entries, int dimensions, int... values) {
    int bits = values.length > 4 ? 3 : 2;
    byte[] packed = read(2L * first, 2 * entries);
    points = new byte[entries * dimensions];
    for (int e = 0; e < entries; e++) {
      int entry = packed[2 * e] & 0xff | (packed[2 * e + 1] & 0xff) << 8;
      for (int i = 0; i < dimensions; i++) {
        points[e * dimensions + i] = (byte) values[entry >> bits * i & (1 << bits) - 1];
      }
    }
  }

  private static byte[] read(long offset, int bytes) {
    try (InputStream in = IqGrids.class.getResourceAsStream("iq-grids.bin")) {
      if (in == null) {
        throw new IllegalStateException("resource iq-grids.bin: expected it beside the class");
      }
      in.skipNBytes(offset);
      return Arrays.copyOf(in.readNBytes(bytes), bytes);
    } catch (IOException e) {
      throw new UncheckedIOException("resource iq-grids.bin: expected to read it", e);
    }
  }

  /// Coordinate `i` of the whole list: of point `i / dimensions`, that numbered `i % dimensions`.
  int at(int i) {
    return points[i];
  }

  /// The eight signs that seven bits stand for: the eighth makes the number of negatives even.
  static int signs(int sevenBits) {
    return sevenBits | (Integer.bitCount(sevenBits) & 1) << 7;
  }

  /// The weight, negative where the lowest of `signs` is set; no branch, for signs are random.
  static float signed(float w, int signs) {
    return Float.intBitsToFloat(Float.floatToRawIntBits(w) ^ signs << 31);
  }
}
