package ai.realm.testing.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.realm.compute.Activation;
import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// What every backend must do, operation by operation, against plain double arithmetic: at odd sizes
/// and tails, at extremes, in place, and with nothing written outside the result. A backend's test is
/// a subclass that opens it; attention and bounds are in [AttentionContract].
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class BackendContract {
  /// Float sums of up to some thousand terms in any order against double ones.
  public static final double FLOAT_SUMS = 1e-5;

  /// One float operation, or a few, and vectorised exponentials good to a few units in the last place.
  public static final double FLOAT_ELEMENTS = 4e-6;

  /// Products whose activations are rounded to 8 bits per block of 32: half a step of 1/127 of the
  /// greatest, about 0.4 % of a normal random row, and twice that for safety.
  public static final double ROUNDED_ACTIVATIONS = 1.5e-2;

  /// Written behind every result: an operation must leave it.
  private static final float GUARD = -12345.678f;

  private static final int GUARD_SIZE = 19;

  protected Backend backend;
  private Arena arena;
  private final List<AutoCloseable> owned = new ArrayList<>();
  private final Random random = new Random(42);

  /// Opens the backend under test.
  protected abstract Backend open();

  /// Relative error allowed of products with weights of this type: [#FLOAT_SUMS] unless the backend
  /// rounds activations.
  protected double matmulTolerance(GgmlType type) {
    return FLOAT_SUMS;
  }

  @BeforeEach
  void openBackend() {
    backend = open();
    arena = Arena.ofShared();
  }

  @AfterEach
  void closeBackend() throws Exception {
    for (AutoCloseable resource : owned) {
      resource.close();
    }
    owned.clear();
    backend.close();
    arena.close();
  }

  // ---- pieces -----------------------------------------------------------------------------------

  private float[] floats(int count) {
    return RandomTensors.floats(count, random);
  }

  /// A buffer with these floats and a guard behind them.
  protected final Buffer buffer(float[] values) {
    Buffer buffer = backend.allocate(values.length + (long) GUARD_SIZE);
    owned.add(buffer);
    float[] guard = new float[GUARD_SIZE];
    Arrays.fill(guard, GUARD);
    backend.write(buffer, 0, values, 0, values.length);
    backend.write(buffer, values.length, guard, 0, GUARD_SIZE);
    return buffer;
  }

  private Buffer buffer(int count) {
    return buffer(new float[count]);
  }

  private WeightMatrix weights(Tensor tensor) {
    WeightMatrix matrix = backend.weights(tensor);
    owned.add(matrix);
    return matrix;
  }

  /// The first floats of a buffer from [#buffer], whose guard must be whole.
  protected final float[] contents(Buffer buffer) {
    float[] all = new float[Math.toIntExact(buffer.size())];
    backend.read(buffer, 0, all, 0, all.length);
    int count = all.length - GUARD_SIZE;
    for (int i = count; i < all.length; i++) {
      assertThat(all[i]).as("guard element %d behind a result of %d", i, count).isEqualTo(GUARD);
    }
    return Arrays.copyOf(all, count);
  }

  /// Every element within `tolerance` of its own size or of the typical element's.
  static void assertClose(float[] actual, double[] expected, double tolerance) {
    assertThat(actual).hasSize(expected.length);
    double squares = 0;
    for (double e : expected) {
      squares += e * e;
    }
    double typical = Math.sqrt(squares / expected.length);
    for (int i = 0; i < expected.length; i++) {
      double allowed = tolerance * Math.max(Math.abs(expected[i]), typical);
      assertThat(Math.abs(actual[i] - expected[i]))
          .as("element %d: expected %s, found %s", i, expected[i], actual[i])
          .isLessThanOrEqualTo(allowed + Float.MIN_NORMAL);
    }
  }

  /// `‖actual − expected‖ ≤ tolerance · ‖expected‖`.
  static void assertRelativeError(float[] actual, double[] expected, double tolerance) {
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < expected.length; i++) {
      difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
      norm += expected[i] * expected[i];
    }
    assertThat(Math.sqrt(difference / norm)).isLessThanOrEqualTo(tolerance);
  }

  // ---- memory -----------------------------------------------------------------------------------

  @Test
  void buffersBeginWithZerosAndKeepWhatIsWritten() {
    try (Buffer buffer = backend.allocate(37)) {
      float[] back = new float[40];
      backend.read(buffer, 0, back, 3, 37);
      assertThat(back).containsOnly(0f);
      backend.write(buffer, 5, new float[] {0, 1.5f, -2}, 1, 2);
      backend.read(buffer.view(4, 4), 0, back, 0, 4);
      assertThat(back).startsWith(0f, 1.5f, -2f, 0f);
      assertThat(buffer.size()).isEqualTo(37);
    }
  }

  @Test
  void readsWritesAndViewsOutsideABufferAreRefused() {
    Buffer buffer = buffer(10);
    long size = buffer.size();
    float[] four = new float[4];
    refused(() -> backend.read(buffer, size - 3, four, 0, 4));
    refused(() -> backend.read(buffer, -1, four, 0, 4));
    refused(() -> backend.write(buffer, size - 3, four, 0, 4));
    refused(() -> backend.write(buffer, 0, four, 1, 4));
    refused(() -> buffer.view(size - 3, 4));
    refused(() -> buffer.view(-1, 4));
  }

  static void refused(org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    assertThatExceptionOfType(RuntimeException.class)
        .isThrownBy(call)
        .isInstanceOfAny(IndexOutOfBoundsException.class, IllegalArgumentException.class);
  }

  static List<GgmlType> types() {
    return RandomTensors.types();
  }

  /// Row lengths: short, odd and long ones for floats, one to three blocks and more for the others.
  private static int[] columns(GgmlType type) {
    return switch (type.blockSize()) {
      case 1 -> new int[] {1, 2, 3, 7, 8, 15, 17, 33, 64, 100, 257};
      case 32 -> new int[] {32, 64, 96, 160, 256, 1056};
      default -> new int[] {256, 512, 768};
    };
  }

  @ParameterizedTest
  @MethodSource("types")
  void weightsOfEveryTypeBecomeTheirFloats(GgmlType type) {
    for (int cols : columns(type)) {
      Tensor tensor = RandomTensors.matrix(arena, type, 1, cols, random);
      try (Buffer buffer = backend.floats(tensor)) {
        float[] values = new float[cols];
        backend.read(buffer, 0, values, 0, cols);
        assertThat(values).isEqualTo(RandomTensors.decode(tensor));
      }
    }
  }

  // ---- rows -------------------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("types")
  void embedLooksUpRowsOfEveryType(GgmlType type) {
    for (int cols : columns(type)) {
      Tensor tensor = RandomTensors.matrix(arena, type, 11, cols, random);
      float[] table = RandomTensors.decode(tensor);
      int[] ids = {10, 0, 3, 3, 7};
      Buffer out = buffer(ids.length * cols);
      backend.embed(out, weights(tensor), ids, ids.length);
      float[] expected = new float[ids.length * cols];
      for (int i = 0; i < ids.length; i++) {
        System.arraycopy(table, ids[i] * cols, expected, i * cols, cols);
      }
      assertThat(contents(out)).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @CsvSource({"-1", "11", "2147483647", "-2147483648"})
  void embedRefusesIdsOutsideTheTable(int id) {
    WeightMatrix table = weights(RandomTensors.matrix(arena, GgmlType.F32, 11, 8, random));
    Buffer out = buffer(16);
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> backend.embed(out, table, new int[] {0, id}, 2));
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 7", "17, 33"})
  void rowsAreGatheredAndScattered(int n, int dim) {
    int available = 5;
    float[] x = floats(available * dim);
    int[] rows = random.ints(n, 0, available).toArray();
    float[] factors = floats(n);
    Buffer gathered = buffer(n * dim);
    backend.gatherRows(gathered, buffer(x), rows, n, dim);
    float[] base = floats(available * dim);
    Buffer scattered = buffer(base);
    backend.scatterAddRows(scattered, gathered, rows, factors, n, dim);
    float[] expected = new float[n * dim];
    double[] sums = new double[base.length];
    for (int i = 0; i < base.length; i++) {
      sums[i] = base[i];
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < dim; j++) {
        expected[i * dim + j] = x[rows[i] * dim + j];
        sums[rows[i] * dim + j] += (double) factors[i] * x[rows[i] * dim + j];
      }
    }
    assertThat(contents(gathered)).isEqualTo(expected);
    assertClose(contents(scattered), sums, FLOAT_SUMS);
  }

  @Test
  void rowsOutsideAMatrixAreRefused() {
    Buffer x = backend.allocate(12);
    owned.add(x);
    Buffer out = buffer(8);
    refused(() -> backend.gatherRows(out, x, new int[] {3}, 1, 4));
    refused(() -> backend.gatherRows(out, x, new int[] {-1}, 1, 4));
    refused(() -> backend.scatterAddRows(x, out, new int[] {3}, new float[] {1}, 1, 4));
    refused(() -> backend.copyColumns(out, 4, 2, x, 6, 0, 3, 2));
    refused(() -> backend.copyColumns(out, 4, 0, x, 6, 4, 3, 2));
  }

  @Test
  void columnsAreCopiedBetweenMatrices() {
    float[] x = floats(5 * 7);
    float[] base = floats(5 * 9);
    Buffer out = buffer(base);
    backend.copyColumns(out, 9, 2, buffer(x), 7, 3, 4, 5);
    for (int i = 0; i < 5; i++) {
      System.arraycopy(x, i * 7 + 3, base, i * 9 + 2, 4);
    }
    assertThat(contents(out)).isEqualTo(base);
  }

  // ---- norms ------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "2, 3, 1",
    "3, 5, 1",
    "5, 8, 1e-12",
    "1, 17, 1e15",
    "17, 33, 1",
    "2, 1000, 1",
    "33, 64, 1",
    "1, 4097, 1"
  })
  void normsEqualTheirDefinition(int n, int dim, float size) {
    float[] x = floats(n * dim);
    for (int i = 0; i < x.length; i++) {
      x[i] = (x[i] + 0.5f) * size;
    }
    float[] w = floats(dim);
    float[] b = floats(dim);
    float eps = 1e-6f;
    Buffer out = buffer(n * dim);
    backend.rmsNorm(out, buffer(x), n, dim, buffer(w), eps);
    assertClose(contents(out), Float64Twin.rmsNorm(x, n, dim, w, eps), FLOAT_SUMS);
    backend.rmsNorm(out, buffer(x), n, dim, null, eps);
    assertClose(contents(out), Float64Twin.rmsNorm(x, n, dim, null, eps), FLOAT_SUMS);
    backend.layerNorm(out, buffer(x), n, dim, buffer(w), buffer(b), eps);
    assertClose(contents(out), Float64Twin.layerNorm(x, n, dim, w, b, eps), FLOAT_SUMS);
    backend.layerNorm(out, buffer(x), n, dim, buffer(w), null, eps);
    assertClose(contents(out), Float64Twin.layerNorm(x, n, dim, w, null, eps), FLOAT_SUMS);
    Buffer inPlace = buffer(x);
    backend.rmsNorm(inPlace, inPlace, n, dim, buffer(w), eps);
    assertClose(contents(inPlace), Float64Twin.rmsNorm(x, n, dim, w, eps), FLOAT_SUMS);
    Buffer layerInPlace = buffer(x);
    backend.layerNorm(layerInPlace, layerInPlace, n, dim, null, null, eps);
    assertClose(
        contents(layerInPlace), Float64Twin.layerNorm(x, n, dim, null, null, eps), FLOAT_SUMS);
  }

  @Test
  void normsOfZerosAreZerosAndTheBias() {
    Buffer out = buffer(12);
    backend.rmsNorm(out, buffer(12), 2, 6, buffer(floats(6)), 1e-5f);
    for (float value : contents(out)) {
      assertThat(value).isIn(0f, -0f);
    }
    backend.layerNorm(out, buffer(12), 2, 6, null, buffer(new float[] {1, 2, 3, 4, 5, 6}), 1e-5f);
    assertThat(contents(out)).startsWith(1f, 2f, 3f, 4f, 5f, 6f, 1f);
  }

  // ---- matrix products --------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("types")
  void productsOfEveryTypeEqualTheirDefinition(GgmlType type) {
    int[] rows = {1, 3, 8, 33, 17};
    int[] ns = {1, 2, 3, 5, 8, 17, 33};
    int[] columns = columns(type);
    for (int c = 0; c < columns.length; c++) {
      for (int i = 0; i < ns.length; i++) {
        product(type, rows[(c + i) % rows.length], columns[c], ns[i]);
      }
    }
    product(type, 130, columns[columns.length - 1], 4);
  }

  private void product(GgmlType type, int rows, int cols, int n) {
    Tensor tensor = RandomTensors.matrix(arena, type, rows, cols, random);
    float[] x = floats(n * cols);
    Buffer out = buffer(n * rows);
    backend.matmul(out, weights(tensor), buffer(x), n);
    double[] expected = Float64Twin.matmul(RandomTensors.decode(tensor), rows, cols, x, n);
    // A single product has no others to average its rounding with.
    double tolerance = matmulTolerance(type) * (rows * n < 32 ? 4 : 1);
    assertRelativeToTerms(contents(out), expected, tensor, x, n, tolerance);
  }

  /// Error relative to `‖w row‖ · ‖x row‖`, so that sums that happen to cancel need no more digits.
  private static void assertRelativeToTerms(
      float[] actual, double[] expected, Tensor tensor, float[] x, int n, double tolerance) {
    int cols = (int) tensor.shape().cols();
    int rows = expected.length / n;
    float[] w = RandomTensors.decode(tensor);
    double difference = 0;
    double size = 0;
    for (int i = 0; i < n; i++) {
      for (int r = 0; r < rows; r++) {
        double d = actual[i * rows + r] - expected[i * rows + r];
        difference += d * d;
        size += squares(w, r * cols, cols) * squares(x, i * cols, cols) / cols;
      }
    }
    assertThat(Math.sqrt(difference / size))
        .as("%s, %d rows", tensor.name(), n)
        .isLessThanOrEqualTo(tolerance);
  }

  private static double squares(float[] values, int from, int count) {
    double sum = 0;
    for (int i = from; i < from + count; i++) {
      sum += (double) values[i] * values[i];
    }
    return sum;
  }

  @ParameterizedTest
  @MethodSource("types")
  void severalProductsOverOneInputEqualEachAlone(GgmlType type) {
    int cols = 2 * Math.max(32, type.blockSize());
    float[] x = floats(5 * cols);
    int[] rows = {7, 1, 32};
    // Not all of one type, as in files that keep some matrices in a better one.
    GgmlType[] kinds = {type, GgmlType.F32, type};
    WeightMatrix[] ws = new WeightMatrix[3];
    Buffer[] outs = new Buffer[3];
    Buffer[] alone = new Buffer[3];
    for (int m = 0; m < 3; m++) {
      ws[m] = weights(RandomTensors.matrix(arena, kinds[m], rows[m], cols, random));
      outs[m] = buffer(5 * rows[m]);
      alone[m] = buffer(5 * rows[m]);
      backend.matmul(alone[m], ws[m], buffer(x), 5);
    }
    backend.matmul(outs, ws, buffer(x), 5);
    for (int m = 0; m < 3; m++) {
      float[] single = contents(alone[m]);
      double[] expected = new double[single.length];
      for (int i = 0; i < single.length; i++) {
        expected[i] = single[i];
      }
      assertRelativeError(contents(outs[m]), expected, FLOAT_SUMS);
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void productsWithZerosAndWithOneLargeElementAreRight(GgmlType type) {
    int cols = 2 * Math.max(32, type.blockSize());
    Tensor tensor = RandomTensors.matrix(arena, type, 6, cols, random);
    float[] w = RandomTensors.decode(tensor);
    float[] x = new float[2 * cols];
    x[cols + 13] = 1e6f;
    Buffer out = buffer(12);
    backend.matmul(out, weights(tensor), buffer(x), 2);
    float[] actual = contents(out);
    for (int r = 0; r < 6; r++) {
      assertThat(actual[r]).isZero();
      double expected = 1e6 * w[r * cols + 13];
      assertThat(Math.abs(actual[6 + r] - expected))
          .as("%s, row %d", type, r)
          .isLessThanOrEqualTo(1e6 * matmulTolerance(type));
    }
  }

  @Test
  void productsThatDoNotFitAreRefused() {
    WeightMatrix w = weights(RandomTensors.matrix(arena, GgmlType.F32, 6, 8, random));
    Buffer small = backend.allocate(15);
    owned.add(small);
    refused(() -> backend.matmul(buffer(12), w, small, 2));
    refused(() -> backend.matmul(small, w, buffer(24), 3));
    refused(() -> backend.matmul(buffer(12), w, buffer(16), 0));
  }

  // ---- elements ---------------------------------------------------------------------------------

  static Stream<Integer> counts() {
    return Stream.of(1, 2, 3, 5, 8, 17, 33, 1000);
  }

  @ParameterizedTest
  @MethodSource("counts")
  void elementwiseOperationsEqualTheirDefinition(int count) {
    float[] x = floats(count);
    float[] y = floats(count);
    double[] sum = new double[count];
    double[] product = new double[count];
    double[] scaled = new double[count];
    double[] capped = new double[count];
    double[] clamped = new double[count];
    for (int i = 0; i < count; i++) {
      sum[i] = x[i] + (double) y[i];
      product[i] = x[i] * (double) y[i];
      scaled[i] = x[i] * 0.37;
      capped[i] = 1.5 * Math.tanh(x[i] / 1.5);
      double g = Math.min(x[i], 0.9);
      double u = Math.clamp(y[i], -0.9, 0.9);
      clamped[i] = g / (1 + Math.exp(-1.702 * g)) * (1 + u);
    }
    Buffer added = buffer(x);
    backend.add(added, buffer(y), count);
    assertClose(contents(added), sum, FLOAT_ELEMENTS);
    Buffer multiplied = buffer(x);
    backend.multiply(multiplied, buffer(y), count);
    assertClose(contents(multiplied), product, FLOAT_ELEMENTS);
    Buffer times = buffer(x);
    backend.scale(times, 0.37f, count);
    assertClose(contents(times), scaled, FLOAT_ELEMENTS);
    Buffer softcapped = buffer(x);
    backend.softcap(softcapped, 1.5f, count);
    assertClose(contents(softcapped), capped, FLOAT_ELEMENTS);
    Buffer gated = buffer(x);
    backend.gateClamped(gated, buffer(y), count, 1.702f, 0.9f);
    assertClose(contents(gated), clamped, FLOAT_ELEMENTS);
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 5", "5, 17", "17, 33"})
  void rowsAreAddedAndMultipliedToEveryRow(int n, int dim) {
    float[] x = floats(n * dim);
    float[] row = floats(dim);
    double[] sum = new double[n * dim];
    double[] product = new double[n * dim];
    for (int i = 0; i < sum.length; i++) {
      sum[i] = x[i] + (double) row[i % dim];
      product[i] = x[i] * (double) row[i % dim];
    }
    Buffer added = buffer(x);
    backend.addRow(added, buffer(row), n, dim);
    assertClose(contents(added), sum, FLOAT_ELEMENTS);
    Buffer multiplied = buffer(x);
    backend.multiplyRow(multiplied, buffer(row), n, dim);
    assertClose(contents(multiplied), product, FLOAT_ELEMENTS);
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void activationsEqualTheirDefinition(Activation f) {
    for (int count : new int[] {1, 2, 3, 5, 8, 17, 33, 1000}) {
      float[] x = floats(count);
      float[] y = floats(count);
      double[] activated = new double[count];
      double[] gated = new double[count];
      for (int i = 0; i < count; i++) {
        x[i] *= 3;
        activated[i] = Float64Twin.activate(f, x[i]);
        gated[i] = activated[i] * y[i];
      }
      Buffer in = buffer(x);
      backend.activate(f, in, count);
      assertClose(contents(in), activated, FLOAT_ELEMENTS);
      Buffer gate = buffer(x);
      backend.gate(f, gate, buffer(y), count);
      assertClose(contents(gate), gated, FLOAT_ELEMENTS);
    }
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void activationsStayFiniteAtExtremes(Activation f) {
    float[] x = {0, -0f, 1e-30f, -1e-30f, 20, -20, 88, -88, 100, -100, 1e4f, -1e4f, 1e15f, -1e15f};
    Buffer in = buffer(x);
    backend.activate(f, in, x.length);
    float[] actual = contents(in);
    for (int i = 0; i < x.length; i++) {
      double expected = Float64Twin.activate(f, x[i]);
      assertThat(Math.abs(actual[i] - expected))
          .as("%s(%s): expected %s, found %s", f, x[i], expected, actual[i])
          .isLessThanOrEqualTo(FLOAT_ELEMENTS * Math.max(1, Math.abs(expected)));
    }
  }

  // ---- positions --------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "INTERLEAVED, 1, 2, 2, 0",
    "INTERLEAVED, 3, 64, 64, 0",
    "INTERLEAVED, 5, 80, 32, 1000",
    "HALVES, 1, 2, 2, 0",
    "HALVES, 3, 64, 64, 100000",
    "HALVES, 5, 80, 20, 7",
    "HALVES, 2, 6, 6, 3"
  })
  void headsAreRotated(RopeStyle style, int heads, int headLength, int dims, int position) {
    Batch batch = new Batch(16, 3);
    batch.add(new int[4], 0, 4, position, new int[0], 0);
    batch.add(new int[1], 0, 1, 3, new int[0], 0);
    int rows = batch.rows();
    float[] frequencies = new float[dims / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = (float) Math.pow(10000, -2.0 * i / dims);
    }
    float[] x = floats(rows * heads * headLength);
    Buffer table = buffer(rows * dims);
    Buffer in = buffer(x);
    backend.ropeTable(table, batch, frequencies, 1.25f);
    backend.rope(in, rows, heads, headLength, table, dims, style);
    int[] positions = Arrays.copyOf(batch.positions(), rows);
    assertThat(contents(table)).hasSize(rows * dims);
    assertClose(
        contents(in),
        Float64Twin.rope(x, positions, heads, headLength, frequencies, 1.25f, style),
        FLOAT_SUMS);
  }
}
