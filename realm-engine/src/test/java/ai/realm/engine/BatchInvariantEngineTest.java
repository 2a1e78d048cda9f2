package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.gguf.GgufFile;
import ai.realm.model.Architectures;
import ai.realm.model.CausalLm;
import ai.realm.testing.sample.SampleModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// S07 on a real model: a sequence among strangers who prompt and decode has the very logits, and so draws the
/// very tokens, that it has alone, whatever chunks the scheduler cuts its prompt into.
@Timeout(300)
final class BatchInvariantEngineTest {
  private static final long SECOND = 1_000_000_000L;
  private static final int PROMPT = 150;
  private static final int TOKENS = 20;
  private static final int STRANGERS = 4;
  private static final int REPETITIONS = 4;

  static Stream<String> backends() {
    return Backends.installed().stream()
        .filter(provider -> provider.unavailableReason().isEmpty())
        .map(provider -> provider.name())
        // The reference takes seconds for a prompt among strangers; it is one row at a time
        // whatever there is.
        .filter(name -> !name.equals("naive"));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void strangersChangeNoBit(String backendName) throws Exception {
    BackendOptions options = new BackendOptions(2, true).withBatchInvariance(true);
    try (Backend backend = Backends.open(backendName, options).backend();
        GgufFile file = GgufFile.open(SampleModel.path());
        CausalLm model = Architectures.load(file, backend, 512);
        Engine engine = Engine.start(model, backend, EngineConfig.of(32_768))) {
      EngineTenant tenant = engine.tenant("victim", TenantShare.UNBOUNDED);
      List<float[]> alone = generate(engine, tenant, 0);
      AtomicBoolean over = new AtomicBoolean();
      AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
      List<Thread> strangers = new ArrayList<>();
      for (int i = 0; i < STRANGERS; i++) {
        int number = i;
        Thread thread =
            new Thread(() -> {
              EngineTenant stranger = engine.tenant("stranger " + number, TenantShare.UNBOUNDED);
              try {
                for (int round = 1; !over.get(); round++) {
                  generate(engine, stranger, 31 * number + round);
                }
              } catch (InterruptedException | RuntimeException e) {
                failure.set(e);
              }
            });
        thread.start();
        strangers.add(thread);
      }
      long steps = engine.stats().steps();
      long rows = engine.stats().rows();
      try {
        for (int i = 0; i < REPETITIONS; i++) {
          List<float[]> among = generate(engine, tenant, 0);
          for (int t = 0; t < TOKENS; t++) {
            assertThat(among.get(t)).as("logits of token %d", t).isEqualTo(alone.get(t));
          }
        }
      } finally {
        over.set(true);
        for (Thread thread : strangers) {
          thread.join(60_000);
        }
      }
      assertThat(failure.get()).isNull();
      assertThat((engine.stats().rows() - rows) / (double) (engine.stats().steps() - steps))
          .as("rows of a step: there was company")
          .isGreaterThan(2);
    }
  }

  /// Logits of each token that was drawn; the tokens are drawn of them.
  private static List<float[]> generate(Engine engine, EngineTenant tenant, int seed)
      throws InterruptedException {
    int vocabulary = engine.model().config().vocabularySize();
    int[] ids = new int[PROMPT - seed % 50];
    Arrays.setAll(ids, i -> (i * 37 + 11 + seed) % vocabulary);
    Sampler sampler =
        Sampler.of(SamplingParams.builder().temperature(1.1f).seed(42 + seed).build());
    List<float[]> all = new ArrayList<>();
    try (Sequence sequence = engine.newSequence(tenant)) {
      for (int t = 0; t < TOKENS; t++) {
        float[] logits = new float[vocabulary];
        StepRequest request =
            new StepRequest().set(sequence, ids, ids.length, 1, sampler).keepLogits(logits);
        engine.submit(request);
        request.await(System.nanoTime() + 120 * SECOND);
        assertThat(request.error()).isNull();
        all.add(logits);
        ids = new int[] {request.token(0)};
      }
    }
    return all;
  }
}
