package ai.realm.engine;

import static ai.realm.engine.GreedySteps.await;
import static ai.realm.engine.GreedySteps.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A tenant's bound on KV blocks counts what its admitted steps may still take, however they come.
@Timeout(120)
final class KvLimitTest {
  private static final int BLOCK = 8;

  /// Of 3 blocks.
  private static final int LENGTH = 20;

  private static Engine start(FakeModel model, int blocks) {
    return Engine.start(
        model,
        model.backend,
        FakeModel.sizes(64, 16, BLOCK, blocks).maxQueuedRequests(1000).build());
  }

  private static StepRequest request(Sequence s, int seed, int length) {
    return GreedySteps.request(s, prompt(seed, length));
  }

  @Test
  void aListOfStepsIsMeasuredAsAWhole() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 400)) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 100, 10, 1000));
      List<StepRequest> requests = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        requests.add(request(engine.newSequence(tenant), i, LENGTH));
      }
      assertThatThrownBy(() -> engine.submit(requests))
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"))
          .hasMessageContaining("at most 10 KV blocks")
          .hasMessageContaining("would need 12");
      // Nothing of it is queued or charged.
      assertThat(engine.stats().queued()).isZero();
      List<StepRequest> three = requests.subList(0, 3);
      engine.submit(three);
      for (StepRequest r : three) {
        await(r);
      }
      assertThat(engine.stats().freeBlocks()).isEqualTo(400 - 9);
    }
  }

  @Test
  void sixtyFourThreadsGetExactlyWhatTheLimitAllows() throws Exception {
    FakeModel model = new FakeModel(1000);
    model.nanosPerRow = 200_000;
    try (Engine engine = start(model, 400);
        ExecutorService callers = Executors.newFixedThreadPool(64)) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 100, 31, 1000));
      CountDownLatch together = new CountDownLatch(64);
      AtomicInteger refused = new AtomicInteger();
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        Sequence s = engine.newSequence(tenant);
        StepRequest r = request(s, i, LENGTH);
        all.add(
            callers.submit(() -> {
              together.countDown();
              together.await();
              try {
                engine.submit(r);
                await(r);
              } catch (AdmissionException e) {
                assertThat(e.code()).isEqualTo("KV_LIMIT");
                refused.incrementAndGet();
              }
              return null;
            }));
      }
      for (Future<?> each : all) {
        each.get(60, TimeUnit.SECONDS);
      }
      assertThat(refused.get()).isEqualTo(64 - 10);
      assertThat(engine.stats().freeBlocks()).isEqualTo(400 - 30);
    }
  }

  @Test
  void forksAreChargedForWhatTheyGrowTo() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 400)) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 100, 12, 1000));
      Sequence s = engine.newSequence(tenant);
      StepRequest first = request(s, 1, LENGTH);
      engine.submit(first);
      await(first);
      // Three blocks each.
      List<Sequence> forks = List.of(s.fork(), s.fork());
      model.nanosPerRow = 5_000_000;
      StepRequest grows = request(forks.getFirst(), 2, LENGTH);
      engine.submit(grows);
      // 3 + 5 + 3: the next may have one block more, and a fork none.
      assertThatThrownBy(() -> engine.submit(request(forks.getLast(), 3, LENGTH)))
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"));
      assertThatThrownBy(s::fork)
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"));
      StepRequest fits = request(forks.getLast(), 3, 8);
      engine.submit(fits);
      await(grows);
      await(fits);
    }
  }

  @Test
  void whatAStepDidNotTakeIsGivenBackWhenItEnds() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 400)) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 100, 3, 1000));
      for (int round = 0; round < 5; round++) {
        try (Sequence s = engine.newSequence(tenant)) {
          model.failNext = new IllegalStateException("kernel gone");
          StepRequest fails = request(s, round, LENGTH);
          engine.submit(fails);
          assertThatThrownBy(() -> await(fails)).isInstanceOf(EngineException.class);
          StepRequest cancelled = request(s, round, LENGTH);
          cancelled.cancel();
          engine.submit(cancelled);
          assertThatThrownBy(() -> await(cancelled)).isInstanceOf(EngineException.class);
          StepRequest goes = request(s, round, LENGTH);
          engine.submit(goes);
          await(goes);
          s.truncate(0);
        }
      }
    }
  }

  @Test
  void aSequenceIsNoLongerThanTheEngineAllows() throws Exception {
    FakeModel model = new FakeModel(1000);
    EngineConfig config =
        FakeModel.sizes(64, 16, BLOCK, 400 / BLOCK).maxQueuedRequests(1000).maxContext(24).build();
    try (Engine engine = Engine.start(model, model.backend, config)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(tenant)) {
        StepRequest r = request(s, 1, LENGTH);
        engine.submit(r);
        await(r);
        assertThatThrownBy(() -> engine.submit(request(s, 1, 5)))
            .isInstanceOfSatisfying(
                AdmissionException.class, e -> assertThat(e.code()).isEqualTo("CONTEXT_FULL"))
            .hasMessageContaining("context of 24 tokens");
        StepRequest rest = request(s, 1, 4);
        engine.submit(rest);
        await(rest);
      }
    }
  }
}
