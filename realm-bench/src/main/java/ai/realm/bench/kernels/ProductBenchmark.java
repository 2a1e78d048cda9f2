package ai.realm.bench.kernels;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// One matrix product of a 1B model's feed-forward layer, (8192, 2048), by type, backend and tokens.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(
    value = 1,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class ProductBenchmark {
  private static final int COLS = 2048;
  private static final int ROWS = 8192;

  @Param({"native", "vector"})
  public String backendName;

  @Param({"Q4_0", "Q8_0", "Q4_K", "Q6_K", "F16"})
  public GgmlType type;

  @Param({"1", "16", "512"})
  public int tokens;

  private Arena arena;
  private Backend backend;
  private WeightMatrix weights;
  private Buffer in;
  private Buffer out;

  /// Zeroed blocks: the time does not depend on the weights.
  @Setup
  public void open() {
    arena = Arena.ofShared();
    backend = Backends.open(backendName, BackendOptions.DEFAULT).backend();
    Shape shape = Shape.of(COLS, ROWS);
    MemorySegment data = arena.allocate(type.byteSize(shape.elements()), 64);
    weights = backend.weights(new Tensor("weights", type, shape, data));
    in = backend.allocate((long) tokens * COLS);
    out = backend.allocate((long) tokens * ROWS);
  }

  @Benchmark
  public Buffer product() {
    backend.matmul(out, weights, in, tokens);
    return out;
  }

  @TearDown
  public void close() {
    in.close();
    out.close();
    weights.close();
    backend.close();
    arena.close();
  }
}
