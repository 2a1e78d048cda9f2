package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.BackendOptions;
import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The kernels of the vector backend against dequantized rows summed in double.
class VectorProductTest {
  /// Sums of up to 1,500 products in float32: a few ulps of the sum of their magnitudes.
  private static final double TOLERANCE = 2e-6;

  @ParameterizedTest
  @EnumSource(
      value = GgmlType.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"I8", "I16", "I32", "I64", "F64"})
  void everyTypeMultipliesLikeItsDequantizedRowsAtOddSizes(GgmlType type) {
    BackendOptions options = new BackendOptions(3, false);
    check(type, new VectorBackend(options, false, false));
    check(type, new VectorBackend(options, true, false));
    check(type, new VectorBackend(options, false, true));
  }

  private static void check(GgmlType type, VectorBackend opened) {
    int block = type.blockSize();
    try (VectorBackend backend = opened;
        Arena arena = Arena.ofShared()) {
      Random random = new Random(type.id());
      for (int cols : new int[] {block, 3 * block, block == 1 ? 601 : block * 5}) {
        for (int rows : new int[] {1, 7, 33, 100, 130}) {
          Tensor tensor = tensor(type, cols, rows, random, arena);
          for (int n : new int[] {1, 2, 3, 4, 7, 8, 19}) {
            check(backend, tensor, n, random);
          }
        }
      }
    }
  }

  private static void check(VectorBackend backend, Tensor tensor, int n, Random random) {
    int cols = (int) tensor.shape().cols();
    int rows = (int) tensor.shape().rows();
    float[] x = new float[n * cols];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    float[] y = new float[n * rows];
    try (Buffer in = backend.allocate(x.length);
        Buffer out = backend.allocate(y.length);
        WeightMatrix w = backend.weights(tensor)) {
      backend.write(in, 0, x, 0, x.length);
      backend.matmul(out, w, in, n);
      backend.read(out, 0, y, 0, y.length);
    }
    float[] row = new float[cols];
    for (int r = 0; r < rows; r++) {
      BlockCodec.of(tensor.type()).dequantize(tensor.data(), r * tensor.rowBytes(), row, 0, cols);
      for (int i = 0; i < n; i++) {
        double expected = 0;
        double magnitude = 0;
        for (int k = 0; k < cols; k++) {
          double product = (double) row[k] * x[i * cols + k];
          expected += product;
          magnitude += Math.abs(product);
        }
        assertThat(Math.abs(y[i * rows + r] - expected))
            .as("%s %s, row %d of input %d of %d", tensor.type(), tensor.shape(), r, i, n)
            .isLessThanOrEqualTo(TOLERANCE * magnitude * 4 + 1e-30);
      }
    }
  }

  /// Random blocks. Where a type keeps F16 numbers their exponents stay small; all other bits are free.
  private static Tensor tensor(GgmlType type, int cols, int rows, Random random, Arena arena) {
    Shape shape = Shape.of(cols, rows);
    MemorySegment data = arena.allocate(type.byteSize(shape.elements()), 64);
    float[] values = new float[(int) shape.elements()];
    BlockCodec codec = BlockCodec.of(type);
    do {
      for (long i = 0; i < data.byteSize(); i++) {
        data.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
      }
      if (!type.isQuantized()) {
        floats(type, data, random);
      } else {
        tame(type, data, random);
      }
      codec.dequantize(data, 0, values, 0, values.length);
    } while (!finite(values));
    return new Tensor("t", type, shape, data);
  }

  private static void floats(GgmlType type, MemorySegment data, Random random) {
    for (long i = 0; i < data.byteSize() / type.blockBytes(); i++) {
      float value = (float) (random.nextGaussian() * Math.pow(2, random.nextInt(-20, 3)));
      switch (type) {
        case F16 -> data.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i, Float.floatToFloat16(value));
        case BF16 ->
            data.set(
                ValueLayout.JAVA_SHORT_UNALIGNED,
                2 * i,
                (short) (Float.floatToIntBits(value) >>> 16));
        default -> data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * i, value);
      }
    }
  }

  /// Clears the top exponent bit of every 16-bit word that could be an F16 scale.
  private static void tame(GgmlType type, MemorySegment data, Random random) {
    int bytes = type.blockBytes();
    for (long block = 0; block < data.byteSize(); block += bytes) {
      for (long at : new long[] {block, block + 2, block + bytes - 2, block + bytes - 4}) {
        if (at >= block && at + 2 <= block + bytes) {
          short bits = data.get(ValueLayout.JAVA_SHORT_UNALIGNED, at);
          data.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short) (bits & 0xBFFF));
        }
      }
      if (type == GgmlType.IQ1_M) {
        data.set(ValueLayout.JAVA_BYTE, block + bytes - 1, (byte) random.nextInt(0x20));
      }
      if (type == GgmlType.MXFP4) {
        data.set(ValueLayout.JAVA_BYTE, block, (byte) random.nextInt(110, 140));
      }
    }
  }

  private static boolean finite(float[] values) {
    for (float value : values) {
      if (!Float.isFinite(value)) {
        return false;
      }
    }
    return true;
  }
}
