package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// S05: buffers and scratch memory that steps reuse are written before they are read. A stranger's prompt whose
/// every activation is NaN goes through all of them; the next prompt's logits are those of before, bit for bit.
class ScratchResidueTest {
  private static final int[] CHUNKS = {1, 3, 7};
  private static final int BLOCK_SIZE = 16;

  @TempDir Path folder;

  @ParameterizedTest(name = "on {0}")
  @MethodSource("ai.realm.model.TestBackends#names")
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
  @MethodSource("ai.realm.model.TestBackends#tinyModels")
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
    // What an encoder is asked for is computed whole.
    int[] chunks = lm.config().generates() ? CHUNKS : new int[0];
    try (ForwardPass pass = lm.newForwardPass(ids.length, 1)) {
      float[] whole = run(backend, lm, pass, ids, ids.length);
      poisoned.set(true);
      for (int chunk : chunks) {
        run(backend, lm, pass, ids, chunk);
      }
      assertThat(run(backend, lm, pass, ids, ids.length))
          .as("the stranger's")
          .containsOnly(Float.NaN);
      poisoned.set(false);
      assertThat(run(backend, lm, pass, ids, ids.length)).as("after the stranger").isEqualTo(whole);
      for (int chunk : chunks) {
        assertThat(run(backend, lm, pass, ids, chunk))
            .as("after the stranger, %d tokens at a time", chunk)
            .isEqualTo(whole);
      }
    }
  }

  /// Logits of the last token, or hidden states, with keys and values of its own.
  private static float[] run(Backend backend, CausalLm lm, ForwardPass pass, int[] ids, int chunk) {
    boolean generates = lm.config().generates();
    int[] blocks = new int[Math.ceilDiv(ids.length, BLOCK_SIZE)];
    Arrays.setAll(blocks, i -> i);
    try (KvStore kv = backend.kvStore(lm.kvLayout(BLOCK_SIZE, KvType.F32), blocks.length)) {
      Batch batch = new Batch(ids.length, 1);
      float[] result = new float[generates ? lm.config().vocabularySize() : 0];
      for (int from = 0; from < ids.length; from += chunk) {
        int count = Math.min(chunk, ids.length - from);
        boolean last = from + count == ids.length;
        batch.clear();
        batch.add(ids, from, count, from, blocks, generates && last ? 1 : 0);
        Buffer logits = pass.forward(batch, kv);
        if (generates && last) {
          backend.read(logits, 0, result, 0, result.length);
        }
      }
      if (!generates) {
        result = new float[ids.length * lm.config().embeddingLength()];
        backend.read(pass.hidden(0, ids.length), 0, result, 0, result.length);
      }
      return result;
    }
  }
}
