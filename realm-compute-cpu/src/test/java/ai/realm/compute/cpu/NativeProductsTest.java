package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Products of every variant that this CPU can run, against dequantized weights in double. The inputs
/// are whole numbers whose blocks' largest is 127, so that quantizing them loses nothing and only the
/// kernels' own arithmetic is compared.
class NativeProductsTest {
  /// Sums of a few thousand products in float.
  private static final double FLOAT_TOLERANCE = 2e-6;

  /// Tile products round dequantized weights to BF16, 8 bits.
  private static final double TILE_TOLERANCE = 5e-3;

  private static final int[] ROWS = {1, 15, 16, 17, 70};
  private static final int[] TOKENS = {1, 2, 3, 7, 12, 13, 25, 33, 70};

  static Stream<Arguments> kernels() {
    NativeLibrary library = NativeLibrary.load();
    // This build has kernels wherever tests run: a C compiler is part of what CI installs.
    assertThat(library).isInstanceOf(NativeLibrary.Loaded.class);
    NativeLibrary.Loaded loaded = (NativeLibrary.Loaded) library;
    List<Arguments> all = new ArrayList<>();
    for (NativeVariant variant : loaded.variants()) {
      all.add(Arguments.of(variant.symbol(), false, variant));
      if (loaded.tiles() && variant.symbol().equals("avx512vnni")) {
        all.add(Arguments.of("amx", true, variant));
      }
    }
    return all.stream()
        .flatMap(variant ->
            Stream.of(
                    GgmlType.Q8_0,
                    GgmlType.Q4_0,
                    GgmlType.Q4_K,
                    GgmlType.Q5_K,
                    GgmlType.Q6_K,
                    GgmlType.F16,
                    GgmlType.BF16,
                    GgmlType.F32)
                .map(type -> {
                  Object[] a = variant.get();
                  return Arguments.of(type, a[0], a[1], a[2]);
                }));
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("kernels")
  void productsAtOddSizesEqualTheirPlainTwin(
      GgmlType type, String name, boolean tiles, NativeVariant variant) {
    NativeLibrary.Loaded loaded = (NativeLibrary.Loaded) NativeLibrary.load();
    NativeKernels kernels = NativeKernels.bind(loaded.symbols(), variant, tiles);
    boolean rounds = tiles && type != GgmlType.F32;
    for (boolean repack : new boolean[] {true, false}) {
      try (NativeBackend backend = new NativeBackend(kernels, 2, repack);
          Arena arena = Arena.ofShared()) {
        Random random = new Random(type.id());
        for (int rows : repack ? ROWS : new int[] {17}) {
          int block = Math.max(type.blockSize(), 32);
          int cols = type.isQuantized() ? block * (1 + rows % 3) : 32 + rows;
          Tensor tensor = random(arena, random, type, cols, rows);
          try (WeightMatrix weights = backend.weights(tensor)) {
            for (int n : TOKENS) {
              compare(backend, weights, tensor, n, rounds, random);
            }
          }
        }
      }
    }
  }

  private static void compare(
      NativeBackend backend,
      WeightMatrix weights,
      Tensor tensor,
      int n,
      boolean rounds,
      Random random) {
    int cols = weights.cols();
    int rows = weights.rows();
    float[] x = new float[n * cols];
    for (int i = 0; i < x.length; i++) {
      x[i] = i % cols % 32 == 5 ? 127 : random.nextInt(-127, 128);
    }
    float[] w = new float[rows * cols];
    BlockCodec.of(tensor.type()).dequantize(tensor.data(), 0, w, 0, w.length);
    float[] actual = new float[n * rows];
    try (CpuBuffer in = backend.allocate(x.length);
        CpuBuffer out = backend.allocate(actual.length)) {
      backend.write(in, 0, x, 0, x.length);
      backend.matmul(out, weights, in, n);
      backend.read(out, 0, actual, 0, actual.length);
    }
    double error = 0;
    double size = 0;
    for (int t = 0; t < n; t++) {
      for (int r = 0; r < rows; r++) {
        double expected = 0;
        double magnitude = 0;
        for (int k = 0; k < cols; k++) {
          double product = (double) w[r * cols + k] * x[t * cols + k];
          expected += product;
          magnitude += product * product;
        }
        error += Math.pow(actual[t * rows + r] - expected, 2);
        size += magnitude;
      }
    }
    assertThat(Math.sqrt(error / size))
        .as("%s, (%d, %d), %d tokens", tensor.type(), rows, cols, n)
        .isLessThan(rounds ? TILE_TOLERANCE : FLOAT_TOLERANCE);
  }

  /// Random blocks with the extremes of every field but scales, which are kept small and finite.
  private static Tensor random(Arena arena, Random random, GgmlType type, int cols, int rows) {
    Shape shape = Shape.of(cols, rows);
    MemorySegment data = arena.allocate(type.byteSize(shape.elements()), 64);
    byte[] bytes = new byte[(int) data.byteSize()];
    random.nextBytes(bytes);
    MemorySegment.copy(bytes, 0, data, ValueLayout.JAVA_BYTE, 0, bytes.length);
    ValueLayout.OfShort half = ValueLayout.JAVA_SHORT_UNALIGNED;
    long blocks = data.byteSize() / type.blockBytes();
    for (long b = 0; b < blocks; b++) {
      long at = b * type.blockBytes();
      short scale = Float.floatToFloat16(random.nextFloat(-0.02f, 0.02f));
      switch (type) {
        case Q6_K -> data.set(half, at + 208, scale);
        case Q4_K, Q5_K -> {
          data.set(half, at, scale);
          data.set(half, at + 2, Float.floatToFloat16(random.nextFloat(0.02f)));
        }
        case Q8_0, Q4_0, F16 -> data.set(half, at, scale);
        case BF16 ->
            data.set(half, at, (short) (Float.floatToRawIntBits(random.nextFloat(-1, 1)) >>> 16));
        case F32 -> data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, random.nextFloat(-1, 1));
        default -> throw new IllegalArgumentException("no random blocks of " + type);
      }
    }
    return new Tensor("random", type, shape, data);
  }
}
