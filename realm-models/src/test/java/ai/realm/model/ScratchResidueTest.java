package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Buffer;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// S05: buffers and scratch memory that steps reuse are written before they are read. A stranger's prompt whose
/// every activation is NaN goes through all of them; the next prompt's logits are those of before, bit for bit.
class ScratchResidueTest {
  private static final int[] CHUNKS = {1, 3, 7};

  @TempDir Path folder;

  static Stream<String> backends() {
    return Backends.installed().stream()
        .filter(provider -> provider.unavailableReason().isEmpty())
        .map(provider -> provider.name());
  }

  static Stream<Arguments> models() {
    return backends()
        .flatMap(backend -> TinyModel.names().stream().map(name -> Arguments.of(name, backend)));
  }

  @ParameterizedTest(name = "on {0}")
  @MethodSource("backends")
  void nothingOfAStrangerIsLeftInTheSampleModel(String backendName) {
    int[] ids = SampleModel.reference().cases().getFirst().ids();
    try (Backend backend = open(backendName)) {
      AtomicBoolean poisoned = new AtomicBoolean();
      Backend watched = poisonedBy(backend, poisoned);
      try (GgufFile file = GgufFile.open(SampleModel.path());
          CausalLm lm = Architectures.load(file, watched)) {
        assertNothingLeft(watched, lm, ids, poisoned);
      }
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("models")
  void nothingOfAStrangerIsLeft(String name, String backendName) {
    TinyModel tiny = TinyModel.read(name);
    try (Backend backend = open(backendName)) {
      AtomicBoolean poisoned = new AtomicBoolean();
      Backend watched = poisonedBy(backend, poisoned);
      try (GgufFile file = GgufFile.open(tiny.unpack(folder));
          CausalLm lm = Architectures.load(file, watched, tiny.contextLength())) {
        assertNothingLeft(watched, lm, tiny.ids(), poisoned);
      }
    }
  }

  private static Backend open(String name) {
    return Backends.open(name, new BackendOptions(2, true).withBatchInvariance(true)).backend();
  }

  /// The same backend, whose embeddings are NaN while told so.
  private static Backend poisonedBy(Backend backend, AtomicBoolean poisoned) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              try {
                Object result = method.invoke(backend, arguments);
                if (poisoned.get() && method.getName().equals("embed")) {
                  Buffer out = (Buffer) arguments[0];
                  float[] none = new float[(int) out.size()];
                  Arrays.fill(none, Float.NaN);
                  backend.write(out, 0, none, 0, none.length);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static void assertNothingLeft(
      Backend backend, CausalLm lm, int[] ids, AtomicBoolean poisoned) {
    int[] chunks = lm.config().generates() ? CHUNKS : new int[0];
    float[] whole = run(backend, lm, ids, ids.length);
    poisoned.set(true);
    assertThat(run(backend, lm, ids, ids.length)).as("the stranger's").containsOnly(Float.NaN);
    for (int chunk : chunks) {
      run(backend, lm, ids, chunk);
    }
    poisoned.set(false);
    assertThat(run(backend, lm, ids, ids.length)).as("after the stranger").isEqualTo(whole);
    for (int chunk : chunks) {
      assertThat(run(backend, lm, ids, chunk))
          .as("after the stranger, %d tokens at a time", chunk)
          .isEqualTo(whole);
    }
  }

  /// Logits of the last token, or the embedding.
  private static float[] run(Backend backend, CausalLm lm, int[] ids, int chunk) {
    if (!lm.config().generates()) {
      return BatchedSteps.hidden(backend, lm, List.of(ids))[0];
    }
    try (Generation generation = new Generation(backend, lm, ids.length)) {
      float[][] last = {};
      for (int from = 0; from < ids.length; from += chunk) {
        last =
            generation.append(Arrays.copyOfRange(ids, from, Math.min(ids.length, from + chunk)), 1);
      }
      return last[0];
    }
  }
}
