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

/// A model of every quant type, on every backend that runs here, against llama.cpp with the same
/// weights dequantized first: the exact target for an engine that does not round activations.
@Tag("reference")
class QuantizedModelReferenceTest {
  /// The naive backend does not round activations.
  private static final double EXACT_TOLERANCE = 1e-3;

  /// Fast backends may round activations to 8 bits, which moves logits by a few percent.
  private static final double ROUNDED_TOLERANCE = 5e-2;

  static Stream<Arguments> models() throws IOException {
    try (Stream<Path> folders = Files.list(ReferenceData.folder("quants").resolve("models"))) {
      List<Path> all =
          folders.filter(f -> Files.exists(f.resolve("reference.json"))).sorted().toList();
      return all.stream()
          .flatMap(folder ->
              TestBackends.names()
                  .map(name -> Arguments.of(folder.getFileName().toString(), name)));
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("models")
  void logitsEqualTheReferenceOnDequantizedWeights(String model, String backendName)
      throws IOException {
    Path folder = ReferenceData.folder("quants").resolve("models").resolve(model);
    boolean quantized = Files.exists(folder.resolve("reference-dequantised.json"));
    ReferenceModel reference =
        quantized
            ? ReferenceModel.read(folder, "reference-dequantised.json", "logits-dequantised.bin")
            : ReferenceModel.read(folder);
    double tolerance = backendName.equals("naive") ? EXACT_TOLERANCE : ROUNDED_TOLERANCE;
    double worst = 0;
    try (Backend backend = Backends.open(backendName, BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(folder.resolve("model.gguf"));
        CausalLm lm = Architectures.load(file, backend, reference.contextLength())) {
      for (ReferenceModel.Prompt prompt : reference.prompts()) {
        try (Generation generation = new Generation(backend, lm, prompt.ids().length)) {
          float[][] actual = generation.append(prompt.ids(), prompt.logits().length);
          double error = Generation.relativeError(actual, prompt.logits());
          worst = Math.max(worst, error);
          assertThat(error).as("%s, prompt %s", model, prompt.name()).isLessThan(tolerance);
        }
      }
    }
    System.out.printf("%-8s %-8s relative error %.1e%n", model, backendName, worst);
  }
}
