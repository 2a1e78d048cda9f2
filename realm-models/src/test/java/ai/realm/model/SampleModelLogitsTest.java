package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.sample.SampleReference;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The sample model on every backend that runs here, against llama.cpp.
class SampleModelLogitsTest {
  /// Both compute F16 weights in F32; llama.cpp rounds activations to F16 before products.
  private static final double F16_TOLERANCE = 1e-3;

  /// llama.cpp rounds activations to 8 bits before products with quantized weights, which alone moves
  /// logits by a few percent.
  private static final double QUANTIZED_TOLERANCE = 5e-2;

  /// Deviations grow while tokens are fed back, so a margin must exceed several times the error.
  private static final double MARGIN_FACTOR = 4;

  static Stream<Arguments> files() {
    return TestBackends.names()
        .flatMap(backend ->
            Stream.of("f16", "q8_0", "q6_k", "q4_k_m", "q4_0")
                .map(type -> Arguments.of("realm-sample-" + type, backend)));
  }

  @ParameterizedTest(name = "on {0}")
  @MethodSource("ai.realm.model.TestBackends#names")
  void embeddedModelGivesTheReferenceLogitsAndTexts(String backend) {
    compare(SampleModel.path(), SampleModel.reference(), QUANTIZED_TOLERANCE, backend);
  }

  @Tag("reference")
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("files")
  void everyQuantizationGivesTheReferenceLogitsAndTexts(String name, String backend) {
    Path models = SampleModel.sharedModels();
    compare(
        models.resolve(name + ".gguf"),
        SampleReference.read(models.resolve("reference"), name),
        name.endsWith("f16") ? F16_TOLERANCE : QUANTIZED_TOLERANCE,
        backend);
  }

  private static void compare(
      Path model, SampleReference reference, double tolerance, String backendName) {
    double worst = 0;
    int compared = 0;
    int steps = 0;
    try (Backend backend = Backends.open(backendName, BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(model);
        CausalLm lm = Architectures.load(file, backend)) {
      assertThat(lm.config().vocabularySize()).isEqualTo(reference.vocabularySize());
      for (SampleReference.Case c : reference.cases()) {
        try (Generation generation =
            new Generation(backend, lm, c.ids().length + c.greedyIds().length)) {
          float[][] logits = generation.append(c.ids(), c.logits().length);
          double error = Generation.relativeError(logits, c.logits());
          assertThat(error).as(c.text()).isLessThan(tolerance);
          worst = Math.max(worst, error);
          double bound = MARGIN_FACTOR * Generation.greatestError(logits, c.logits());
          compared += greedyStepsEqual(generation, c, logits[logits.length - 1], bound);
          steps += c.greedyIds().length;
        }
      }
    }
    assertThat(compared).as("greedy steps outside near-ties").isGreaterThan(steps / 2);
    System.out.printf(
        "%-24s %-8s relative error %.1e, %d of %d greedy tokens compared%n",
        model.getFileName(), backendName, worst, compared, steps);
  }

  private static int greedyStepsEqual(
      Generation generation, SampleReference.Case c, float[] first, double bound) {
    float[] logits = first;
    int compared = 0;
    int[] ids = c.greedyIds();
    for (int i = 0; i < ids.length; i++) {
      if (c.greedyMargin()[i] > bound) {
        assertThat(Generation.argmax(logits))
            .as("%s, greedy step %d", c.text(), i)
            .isEqualTo(ids[i]);
        compared++;
      }
      logits = generation.append(new int[] {ids[i]}, 1)[0];
    }
    return compared;
  }

  @ParameterizedTest(name = "on {0}")
  @MethodSource("ai.realm.model.TestBackends#names")
  void sequencesOfOneBatchDoNotSeeEachOther(String backendName) {
    List<SampleReference.Case> cases = SampleModel.reference().cases().subList(0, 3);
    try (Backend backend = Backends.open(backendName, BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(SampleModel.path());
        CausalLm lm = Architectures.load(file, backend)) {
      float[][] together =
          BatchedSteps.lastLogits(
              backend, lm, cases.stream().map(SampleReference.Case::ids).toList());
      for (int i = 0; i < cases.size(); i++) {
        int[] ids = cases.get(i).ids();
        try (Generation alone = new Generation(backend, lm, ids.length)) {
          float[][] expected = alone.append(ids, 1);
          assertThat(Generation.relativeError(new float[][] {together[i]}, expected))
              .isLessThanOrEqualTo(BatchedSteps.tolerance(backendName));
        }
      }
    }
  }
}
