package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.ReferenceData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Every architecture of the reference set, on every backend that runs here, against llama.cpp.
@Tag("reference")
class ArchitectureReferenceTest {
  /// llama.cpp sums in float, the naive backend in double; two versions of llama.cpp differ by 2e-5.
  private static final double NAIVE_TOLERANCE = 1e-4;

  /// Fast backends sum in float, in another order.
  private static final double FAST_TOLERANCE = 1e-3;

  /// Deviations grow while tokens are fed back, so a margin must exceed several times the error.
  private static final double MARGIN_FACTOR = 4;

  /// What the references themselves differ by.
  private static final double SMALLEST_ERROR = 1e-4;

  static Stream<Arguments> models() throws IOException {
    try (Stream<Path> folders = Files.list(ReferenceData.folder("architectures"))) {
      List<Path> all = folders.filter(Files::isDirectory).sorted().toList();
      return all.stream()
          .flatMap(folder ->
              TestBackends.names()
                  .map(name -> Arguments.of(folder.getFileName().toString(), name)));
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("models")
  void logitsAndGreedyContinuationEqualTheReference(String model, String backendName)
      throws IOException {
    Path folder = ReferenceData.folder("architectures").resolve(model);
    ReferenceModel reference = ReferenceModel.read(folder);
    double tolerance = backendName.equals("naive") ? NAIVE_TOLERANCE : FAST_TOLERANCE;
    double worst = 0;
    int compared = 0;
    try (Backend backend = Backends.open(backendName, BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(folder.resolve("model.gguf"));
        CausalLm lm = Architectures.load(file, backend, reference.contextLength())) {
      for (ReferenceModel.Prompt prompt : reference.prompts()) {
        int positions = prompt.ids().length + prompt.greedy().length;
        try (Generation generation = new Generation(backend, lm, positions)) {
          float[][] actual =
              lm.config().generates()
                  ? generation.append(prompt.ids(), prompt.logits().length)
                  : new float[][] {generation.embed(prompt.ids())};
          double error = Generation.relativeError(actual, prompt.logits());
          worst = Math.max(worst, error);
          assertThat(error).as("%s, prompt %s", model, prompt.name()).isLessThan(tolerance);
          double greatest = Generation.greatestError(actual, prompt.logits());
          compared += compareGreedy(generation, prompt, actual, Math.max(greatest, SMALLEST_ERROR));
        }
      }
    }
    System.out.printf(
        "%-24s %-8s relative error %.1e, %d greedy tokens equal%n",
        model, backendName, worst, compared);
  }

  /// Feeds the reference's tokens and compares until the reference itself is undecided.
  private static int compareGreedy(
      Generation generation, ReferenceModel.Prompt prompt, float[][] logits, double error) {
    float[] last = logits[logits.length - 1];
    for (int i = 0; i < prompt.greedy().length; i++) {
      if (prompt.margins()[i] < MARGIN_FACTOR * error) {
        return i;
      }
      assertThat(Generation.argmax(last))
          .as("prompt %s, greedy step %d", prompt.name(), i)
          .isEqualTo(prompt.greedy()[i]);
      last = generation.append(new int[] {prompt.greedy()[i]}, 1)[0];
    }
    return prompt.greedy().length;
  }
}
