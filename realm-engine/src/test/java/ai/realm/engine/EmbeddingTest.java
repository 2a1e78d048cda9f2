package ai.realm.engine;

import static ai.realm.engine.GreedySteps.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.model.Pooling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(120)
final class EmbeddingTest {
  private static final long SECOND = 1_000_000_000L;

  private static Engine start(FakeModel model, int maxRows, int blocks) {
    return Engine.start(model, model.backend, FakeModel.sizes(maxRows, 8, 8, blocks).build());
  }

  private static StepRequest await(Engine engine, StepRequest request) throws InterruptedException {
    engine.submit(request);
    request.await(System.nanoTime() + 10 * SECOND);
    return request;
  }

  private static float[] embed(Engine engine, EngineTenant tenant, Pooling pooling, int... ids)
      throws InterruptedException {
    try (Sequence s = engine.newSequence(tenant)) {
      StepRequest r = new StepRequest().set(s, ids, ids.length, 0, null).embed(pooling);
      return await(engine, r).embedding();
    }
  }

  /// By the definition of the pooling, over the whole prompt.
  private static float[] expected(Pooling pooling, int[] ids, int from) {
    double[] sums = new double[FakeModel.WIDTH];
    for (int n = from + 1; n <= ids.length; n++) {
      boolean wanted =
          switch (pooling) {
            case MEAN -> true;
            case CLS -> n == from + 1;
            default -> n == ids.length;
          };
      float[] row = FakeModel.hidden(ids, n);
      for (int i = 0; wanted && i < sums.length; i++) {
        sums[i] += row[i];
      }
    }
    double length = Math.sqrt(Arrays.stream(sums).map(x -> x * x).sum());
    float[] row = new float[sums.length];
    for (int i = 0; i < row.length; i++) {
      row[i] = (float) (sums[i] * (1 / length));
    }
    return row;
  }

  @ParameterizedTest
  @EnumSource(names = {"NONE", "MEAN", "CLS", "LAST"})
  void poolsAPromptThatTakesSeveralSteps(Pooling pooling) throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 16, 100)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] ids = prompt(1, 53);
      float[] first = embed(engine, tenant, pooling, ids);
      assertThat(first).isEqualTo(expected(pooling, ids, 0));
      double square = 0;
      for (float x : first) {
        square += x * x;
      }
      assertThat(square).isEqualTo(1, within(1e-5));
      // Again, where a cache has the keys and values.
      assertThat(embed(engine, tenant, pooling, ids)).isEqualTo(first);
      assertThat(engine.stats().openSequences()).isZero();
    }
  }

  @Test
  void whatIsAppendedToASequenceIsPooledAlone() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 16, 100);
        Sequence s = engine.newSequence(engine.tenant("a", TenantShare.UNBOUNDED))) {
      int[] ids = prompt(2, 30);
      await(engine, new StepRequest().set(s, ids, 12, 0, null));
      int[] rest = Arrays.copyOfRange(ids, 12, 30);
      StepRequest r = new StepRequest().set(s, rest, 18, 0, null).embed(Pooling.MEAN);
      assertThat(await(engine, r).embedding()).isEqualTo(expected(Pooling.MEAN, ids, 12));
      assertThat(s.tokens()).isEqualTo(ids);
    }
  }

  @Test
  void togetherWithStrangersIsAsAloneAlsoWhenBlocksRunOut() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 16, 24);
        ExecutorService callers = Executors.newFixedThreadPool(6)) {
      List<Future<Boolean>> results = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        EngineTenant tenant = engine.tenant("t" + i, TenantShare.UNBOUNDED);
        int[] ids = prompt(i, 60 + 9 * i);
        Pooling pooling = i % 2 == 0 ? Pooling.MEAN : Pooling.LAST;
        Callable<Boolean> embedding =
            () -> {
              for (int round = 0; round < 10; round++) {
                ids[3] = round;
                float[] row = embed(engine, tenant, pooling, ids);
                assertThat(row).isEqualTo(expected(pooling, ids, 0));
              }
              return true;
            };
        results.add(callers.submit(embedding));
      }
      for (Future<Boolean> result : results) {
        assertThat(result.get(60, TimeUnit.SECONDS)).isTrue();
      }
    }
  }

  @Test
  void encodersTakeATextInOneStepAndLeaveNothingInTheCache() throws Exception {
    FakeModel model = new FakeModel(1000);
    model.encoder = true;
    try (Engine engine = start(model, 32, 100)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      List<StepRequest> requests = new ArrayList<>();
      List<Sequence> sequences = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        Sequence s = engine.newSequence(tenant);
        int[] ids = prompt(i, 20 + i);
        sequences.add(s);
        requests.add(new StepRequest().set(s, ids, ids.length, 0, null).embed(Pooling.MEAN));
      }
      engine.submit(requests);
      for (int i = 0; i < 5; i++) {
        requests.get(i).await(System.nanoTime() + 10 * SECOND);
        assertThat(requests.get(i).embedding())
            .isEqualTo(expected(Pooling.MEAN, prompt(i, 20 + i), 0));
      }
      assertThat(model.steps).allSatisfy(rows -> assertThat(rows).hasSize(1));
      sequences.forEach(Sequence::close);
      assertThat(engine.stats().cachedBlocks()).isZero();
    }
  }

  @Test
  void encodersRefuseWhatTheyCannotDoBeforeAStep() {
    FakeModel model = new FakeModel(1000);
    model.encoder = true;
    try (Engine engine = start(model, 32, 100);
        Sequence s = engine.newSequence(engine.tenant("a", TenantShare.UNBOUNDED))) {
      Sampler greedy = Sampler.of(SamplingParams.GREEDY);
      assertThatThrownBy(() -> engine.submit(new StepRequest().set(s, prompt(1, 3), 3, 1, greedy)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("encoder");
      StepRequest tooLong =
          new StepRequest().set(s, prompt(1, 33), 33, 0, null).embed(Pooling.MEAN);
      assertThatThrownBy(() -> engine.submit(tooLong))
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("CONTEXT_FULL"));
      assertThat(engine.stats().steps()).isZero();
    }
  }

  @Test
  void requestsThatCannotBePooledAreRefused() {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 32, 100);
        Sequence s = engine.newSequence(engine.tenant("a", TenantShare.UNBOUNDED))) {
      StepRequest r = new StepRequest().set(s, prompt(1, 3), 3, 0, null);
      assertThatThrownBy(() -> r.embed(Pooling.RANK)).hasMessageContaining("rank");
      assertThatThrownBy(r::embedding).isInstanceOf(IllegalStateException.class);
      r.set(s, prompt(1, 3), 3, 1, Sampler.of(SamplingParams.GREEDY));
      assertThatThrownBy(() -> r.embed(Pooling.MEAN)).hasMessageContaining("without outputs");
    }
  }
}
