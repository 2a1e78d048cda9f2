package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// S07: on a batch-invariant backend a sequence's logits are the same, bit for bit, whichever strangers are in
/// its steps and however its prompt is cut into chunks. The sample model and a tiny one of each architecture.
class BatchInvarianceTest {
  private static final int[] CHUNKS = {1, 3, 7};

  @TempDir Path folder;

  @ParameterizedTest(name = "on {0}")
  @MethodSource("ai.realm.model.TestBackends#names")
  void sampleModelAnswersAloneAsInCompany(String backendName) {
    List<int[]> prompts =
        SampleModel.reference().cases().subList(0, 4).stream().map(c -> c.ids()).toList();
    try (Backend backend = open(backendName);
        GgufFile file = GgufFile.open(SampleModel.path());
        CausalLm lm = Architectures.load(file, backend)) {
      assertInvariant(backend, lm, prompts);
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("ai.realm.model.TestBackends#tinyModels")
  void everyArchitectureAnswersAloneAsInCompany(String name, String backendName) {
    TinyModel tiny = TinyModel.read(name);
    int[] ids = tiny.ids();
    int[] reversed = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      reversed[i] = ids[ids.length - 1 - i];
    }
    int[] half = Arrays.copyOf(ids, Math.max(2, ids.length / 2));
    try (Backend backend = open(backendName);
        GgufFile file = GgufFile.open(tiny.unpack(folder));
        CausalLm lm = Architectures.load(file, backend, tiny.contextLength())) {
      if (lm.config().generates()) {
        assertInvariant(backend, lm, List.of(ids, reversed, half));
      } else {
        assertEmbeddingsInvariant(backend, lm, List.of(ids, reversed, half));
      }
    }
  }

  private static Backend open(String name) {
    Backend backend =
        Backends.open(name, new BackendOptions(2, true).withBatchInvariance(true)).backend();
    assertThat(backend.isBatchInvariant()).isTrue();
    return backend;
  }

  private static void assertInvariant(Backend backend, CausalLm lm, List<int[]> prompts) {
    float[][] together = BatchedSteps.lastLogits(backend, lm, prompts);
    for (int i = 0; i < prompts.size(); i++) {
      int[] ids = prompts.get(i);
      float[] alone = inChunks(backend, lm, ids, ids.length);
      assertThat(together[i]).as("prompt %d beside strangers", i).isEqualTo(alone);
      for (int chunk : CHUNKS) {
        assertThat(inChunks(backend, lm, ids, chunk))
            .as("prompt %d, %d tokens at a time", i, chunk)
            .isEqualTo(alone);
      }
    }
  }

  private static float[] inChunks(Backend backend, CausalLm lm, int[] ids, int chunk) {
    try (Generation generation = new Generation(backend, lm, ids.length)) {
      float[][] last = {};
      for (int from = 0; from < ids.length; from += chunk) {
        last =
            generation.append(Arrays.copyOfRange(ids, from, Math.min(ids.length, from + chunk)), 1);
      }
      return last[0];
    }
  }

  private static void assertEmbeddingsInvariant(Backend backend, CausalLm lm, List<int[]> prompts) {
    float[][] together = BatchedSteps.hidden(backend, lm, prompts);
    for (int i = 0; i < prompts.size(); i++) {
      assertThat(together[i])
          .as("text %d beside strangers", i)
          .isEqualTo(BatchedSteps.hidden(backend, lm, List.of(prompts.get(i)))[0]);
    }
  }
}
