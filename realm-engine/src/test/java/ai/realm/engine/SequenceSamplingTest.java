package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.engine.sampling.DryBreakers;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What is sampled depends on the sequence's own tokens and the seed, whichever way the sequence came to them:
/// token by token the same as plain decoding.
@Timeout(120)
final class SequenceSamplingTest {
  private static final long SECOND = 1_000_000_000L;
  private static final int LENGTH = 40;
  private static final int[] PROMPT = prompt();

  private final FakeModel model = new FakeModel(1000);
  private Engine engine;
  private EngineTenant tenant;

  private static int[] prompt() {
    int[] ids = new int[37];
    Arrays.setAll(ids, i -> i * 7 % 30);
    return ids;
  }

  @BeforeEach
  void start() {
    model.manyLikely = true;
    engine = Engine.start(model, model.backend, FakeModel.sizes(16, 8, 8, 500).build());
    tenant = engine.tenant("a", TenantShare.UNBOUNDED);
  }

  @AfterEach
  void stop() {
    engine.close();
  }

  static Stream<SamplingParams> params() {
    SamplingParams.Builder hot = SamplingParams.builder().temperature(1.5f).seed(3);
    SamplingParams.DryParams dry = new SamplingParams.DryParams(2, 1.75f, 1, -1, DryBreakers.NONE);
    return Stream.of(
        SamplingParams.builder().temperature(0).penalties(-1, 1.5f, 0.4f, 0.4f).build(),
        hot.build(),
        hot.penalties(16, 1.3f, 0.2f, 0.5f).build(),
        hot.penalties(-1, 1.3f, 0.2f, 0.5f).dry(dry).topK(20).xtc(0.5f, 0.05f).build(),
        SamplingParams.builder().temperature(1.2f).mirostat(3, 0.9f).seed(5).build());
  }

  private int[] step(Sequence s, Sampler sampler, int outputs, int... ids)
      throws InterruptedException {
    StepRequest r = new StepRequest().set(s, ids, ids.length, outputs, sampler);
    engine.submit(r);
    r.await(System.nanoTime() + 10 * SECOND);
    int[] tokens = new int[outputs];
    for (int i = 0; i < outputs; i++) {
      tokens[i] = r.token(i);
    }
    return tokens;
  }

  /// `LENGTH` tokens behind the prompt, the first `from` given.
  private int[] goOn(Sequence s, SamplingParams params, int[] given, int from)
      throws InterruptedException {
    int[] out = Arrays.copyOf(given, LENGTH);
    for (int i = from; i < LENGTH; i++) {
      // A new sampler each time: nothing is kept in it.
      out[i] = step(s, Sampler.of(params), 1, out[i - 1])[0];
    }
    return out;
  }

  private int[] plain(SamplingParams params) throws InterruptedException {
    try (Sequence s = engine.newSequence(tenant)) {
      int[] first = step(s, Sampler.of(params), 1, PROMPT);
      return goOn(s, params, first, 1);
    }
  }

  @ParameterizedTest
  @MethodSource("params")
  void promptsThatComeInPartsAreLookedBackOn(SamplingParams params) throws Exception {
    int[] expected = plain(params);
    try (Sequence s = engine.newSequence(tenant)) {
      step(s, null, 0, Arrays.copyOf(PROMPT, 20));
      step(s, null, 0, Arrays.copyOfRange(PROMPT, 20, 30));
      int[] first = step(s, Sampler.of(params), 1, Arrays.copyOfRange(PROMPT, 30, PROMPT.length));
      assertThat(goOn(s, params, first, 1)).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @MethodSource("params")
  void aForkGoesOnAsItsOriginWould(SamplingParams params) throws Exception {
    int[] expected = plain(params);
    try (Sequence s = engine.newSequence(tenant)) {
      int[] out = Arrays.copyOf(step(s, Sampler.of(params), 1, PROMPT), LENGTH);
      for (int i = 1; i < 15; i++) {
        out[i] = step(s, Sampler.of(params), 1, out[i - 1])[0];
      }
      try (Sequence fork = s.fork()) {
        // What the origin does meanwhile is its own.
        step(s, Sampler.of(params), 1, 99);
        step(s, Sampler.of(params), 1, 98);
        assertThat(goOn(fork, params, out, 15)).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("params")
  void whatWasTruncatedIsForgotten(SamplingParams params) throws Exception {
    int[] expected = plain(params);
    try (Sequence s = engine.newSequence(tenant)) {
      int[] out = Arrays.copyOf(step(s, Sampler.of(params), 1, PROMPT), LENGTH);
      for (int i = 1; i < 15; i++) {
        out[i] = step(s, Sampler.of(params), 1, out[i - 1])[0];
      }
      int length = s.length();
      for (int wrong = 60; wrong < 70; wrong++) {
        step(s, Sampler.of(params), 1, wrong);
      }
      s.truncate(length);
      assertThat(goOn(s, params, out, 15)).isEqualTo(expected);
    }
  }

  /// Drafts of four tokens: what the target would say, made wrong at some places.
  @ParameterizedTest
  @MethodSource("params")
  void speculativeDecodingGivesTheTokensOfPlainDecoding(SamplingParams params) throws Exception {
    int[] expected = plain(params);
    for (int wrongEach : new int[] {1, 2, 3, 5, 100}) {
      IntUnaryOperator draft =
          i -> i % wrongEach == wrongEach - 1 ? (expected[i] + 1) % 100 : expected[i];
      try (Sequence s = engine.newSequence(tenant)) {
        int[] out = Arrays.copyOf(step(s, Sampler.of(params), 1, PROMPT), LENGTH + 5);
        int n = 1;
        while (n < LENGTH) {
          int[] ids = new int[Math.min(5, LENGTH - n + 1)];
          ids[0] = out[n - 1];
          for (int i = 1; i < ids.length; i++) {
            ids[i] = draft.applyAsInt(n + i - 1);
          }
          int length = s.length();
          int[] sampled = step(s, Sampler.of(params), ids.length, ids);
          int accepted = 0;
          while (accepted + 1 < ids.length && sampled[accepted] == ids[accepted + 1]) {
            accepted++;
          }
          System.arraycopy(sampled, 0, out, n, accepted + 1);
          n += accepted + 1;
          s.truncate(length + 1 + accepted);
        }
        assertThat(Arrays.copyOf(out, LENGTH)).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("params")
  void stagesThatLookBackChangeWhatIsSampled(SamplingParams params) throws Exception {
    SamplingParams without =
        params.toBuilder()
            .penalties(params.penaltyLastN(), 1, 0, 0)
            .dry(SamplingParams.DryParams.OFF)
            .mirostat(0, params.mirostatEta())
            .build();
    boolean looksBack = !without.equals(params);
    assertThat(Arrays.equals(plain(params), plain(without))).isEqualTo(!looksBack);
  }
}
