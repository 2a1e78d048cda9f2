package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufFile;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// A tiny model of each architecture, on every backend that runs here, against llama.cpp.
class TinyModelTest {
  /// llama.cpp sums in float, the naive backend in double.
  private static final double NAIVE_TOLERANCE = 1e-4;

  /// Fast backends sum in float, in another order.
  private static final double FAST_TOLERANCE = 1e-3;

  /// A margin below the tolerance times this is a near-tie: logits are of size 1 to 6.
  private static final double MARGIN_FACTOR = 40;

  @TempDir Path folder;

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("ai.realm.model.TestBackends#tinyModels")
  void computesWhatTheReferenceDoes(String name, String backendName) {
    TinyModel tiny = TinyModel.read(name);
    double tolerance =
        Math.max(tiny.tolerance(), backendName.equals("naive") ? NAIVE_TOLERANCE : FAST_TOLERANCE);
    double smallestMargin = MARGIN_FACTOR * tiny.tolerance();
    try (Backend backend = Backends.open(backendName, new BackendOptions(2, true)).backend();
        GgufFile file = GgufFile.open(tiny.unpack(folder));
        CausalLm lm = Architectures.load(file, backend, tiny.contextLength());
        Generation generation =
            new Generation(backend, lm, tiny.ids().length + tiny.greedy().length)) {
      float[][] actual =
          lm.config().generates()
              ? generation.append(tiny.ids(), tiny.expected().length)
              : new float[][] {generation.embed(tiny.ids())};
      double error = Generation.relativeError(actual, tiny.expected());
      assertThat(error).isLessThan(tolerance);
      float[] last = actual[actual.length - 1];
      for (int i = 0; i < tiny.greedy().length && tiny.margins()[i] > smallestMargin; i++) {
        assertThat(Generation.argmax(last)).as("greedy step %d", i).isEqualTo(tiny.greedy()[i]);
        last = generation.append(new int[] {tiny.greedy()[i]}, 1)[0];
      }
      System.out.printf("tiny %-20s %-8s relative error %.1e%n", name, backendName, error);
    }
  }

  @Test
  void everySupportedArchitectureHasATinyModel() {
    Set<String> tested = new TreeSet<>();
    for (String name : TinyModel.names()) {
      try (GgufFile file = GgufFile.open(TinyModel.read(name).unpack(folder))) {
        tested.add(file.metadata().string("general.architecture"));
      }
    }
    assertThat(tested).isEqualTo(Architectures.supported());
  }
}
