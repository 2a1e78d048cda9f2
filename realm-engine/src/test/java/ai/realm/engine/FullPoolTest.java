package ai.realm.engine;

import static ai.realm.engine.GreedySteps.prompt;
import static ai.realm.engine.GreedySteps.request;
import static ai.realm.engine.GreedySteps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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

/// F08: where the KV blocks do not suffice for all, some wait, and nobody for ever.
@Timeout(120)
final class FullPoolTest {
  private static final long SECOND = 1_000_000_000L;
  private static final int BLOCK = 8;

  private static Engine start(FakeModel model, int blocks) {
    return Engine.start(
        model,
        model.backend,
        FakeModel.sizes(32, 16, BLOCK, blocks).maxQueuedRequests(1000).build());
  }

  /// A prompt and tokens behind it; each must be right.
  private static void generate(Engine engine, EngineTenant tenant, int[] prompt, int n)
      throws InterruptedException {
    try (Sequence s = engine.newSequence(tenant)) {
      int[] all = Arrays.copyOf(prompt, prompt.length + n);
      int token = step(engine, s, prompt);
      for (int i = 0; i < n; i++) {
        assertThat(token).isEqualTo(FakeModel.next(all, prompt.length + i));
        all[prompt.length + i] = token;
        token = step(engine, s, token);
      }
    }
  }

  @Test
  void allComeToTheirEndWhereEachTakesMostOfThePool() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 20);
        ExecutorService callers = Executors.newFixedThreadPool(12)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        int seed = i;
        Priority priority = Priority.values()[i % Priority.values().length];
        EngineTenant tenant = engine.tenant("t" + i, new TenantShare(priority, 1, 100, 1000, 1000));
        Callable<?> loop =
            () -> {
              for (int round = 0; round < 3; round++) {
                generate(engine, tenant, prompt(100 * seed + round, 60 + 7 * seed), 10);
              }
              return null;
            };
        all.add(callers.submit(loop));
      }
      for (Future<?> each : all) {
        each.get(100, TimeUnit.SECONDS);
      }
      assertThat(engine.stats().queued()).isZero();
      assertThat(engine.stats().freeBlocks() + engine.stats().cachedBlocks()).isEqualTo(20);
    }
  }

  @Test
  void whatDoesNotFitBesidesPublishedPromptsIsRefusedUnlessItUsesThem() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 20)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] system = prompt(1, 80);
      try (PublishedPrefix prefix = engine.publish(null, system, System.nanoTime() + 30 * SECOND)) {
        assertThat(prefix.length()).isEqualTo(80);
        try (Sequence s = engine.newSequence(tenant)) {
          assertThatThrownBy(() -> engine.submit(request(s, prompt(2, 88))))
              .isInstanceOfSatisfying(
                  AdmissionException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"))
              .hasMessage(
                  "tenant a: this step needs 11 KV blocks of 8 positions, of 20 there are of which 10 hold published prompts");
          // Others go on.
          generate(engine, tenant, prompt(3, 40), 3);
          int[] uses = Arrays.copyOf(system, 150);
          assertThat(step(engine, s, uses)).isEqualTo(FakeModel.next(uses, 150));
        }
      }
    }
  }

  private static SimulatedEngine simulated() {
    return new SimulatedEngine(FakeModel.sizes(16, 4, BLOCK, 40).build(), 1000);
  }

  /// A sequence of 8 blocks and more that never rests, and a younger prompt of 35 blocks of 40.
  private static StepRequest largeBesideOlder(SimulatedEngine sim) {
    sim.client(sim.state.tenant("old", TenantShare.UNBOUNDED), 60, 1000, 0);
    sim.run(0.1);
    StepRequest large = sim.send(sim.state.tenant("large", TenantShare.UNBOUNDED), prompt(2, 276));
    assertThat(sim.settles(large, 10)).isFalse();
    return large;
  }

  @Test
  void whatNoLongerFitsSinceMoreWasPublishedFailsAndOthersGoOn() {
    SimulatedEngine sim = simulated();
    StepRequest large = largeBesideOlder(sim);
    StepRequest publishing = sim.send(sim.state.publisher(), prompt(3, 80));
    assertThat(sim.settles(publishing, 40)).isTrue();
    assertThat(sim.settles(large, 1)).isFalse();
    sim.state.publish(null, publishing.sequence(), 80);
    sim.state.close(publishing.sequence());

    assertThat(sim.settles(large, 1)).isTrue();
    assertThat(large.error())
        .isInstanceOfSatisfying(
            AdmissionException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"))
        .hasMessageContaining("needs 35 KV blocks")
        .hasMessageContaining("10 hold published prompts");
    StepRequest other = sim.send(sim.state.tenant("other", TenantShare.UNBOUNDED), prompt(4, 50));
    assertThat(sim.settles(other, 40)).isTrue();
  }

  @Test
  void whoWaitsForOlderSequencesLeavesTheBlocksToThoseBehindIt() {
    SimulatedEngine sim = simulated();
    StepRequest large = largeBesideOlder(sim);
    EngineTenant young = sim.state.tenant("young", TenantShare.UNBOUNDED);
    for (int i = 0; i < 4; i++) {
      StepRequest behind = sim.send(young, prompt(10 + i, 50));
      assertThat(sim.settles(behind, 40)).isTrue();
      assertThat(behind.state()).isEqualTo(StepRequest.State.DONE);
      sim.state.close(behind.sequence());
    }
    assertThat(large.state()).isEqualTo(StepRequest.State.QUEUED);
    sim.stopAll();
    assertThat(sim.settles(large, 200)).isTrue();
    assertThat(large.state()).isEqualTo(StepRequest.State.DONE);
  }

  @Test
  void aPromptThatBeganBeforeItsBeginWasPublishedStillFits() {
    SimulatedEngine sim = simulated();
    int[] prompt = prompt(1, 276);
    StepRequest large = sim.send(sim.state.tenant("a", TenantShare.UNBOUNDED), prompt);
    for (int i = 0; large.sequence().cached < 4 * BLOCK; i++) {
      assertThat(i).isLessThan(10);
      sim.settles(large, 1);
    }
    StepRequest publishing = sim.send(sim.state.publisher(), Arrays.copyOf(prompt, 80));
    assertThat(sim.settles(publishing, 40)).isTrue();
    assertThat(large.state()).isEqualTo(StepRequest.State.QUEUED);
    sim.state.publish(null, publishing.sequence(), 80);
    sim.state.close(publishing.sequence());
    // Of its 35 blocks it has computed ten itself that lie among the ten of forty that are
    // published now.
    assertThat(sim.settles(large, 200)).isTrue();
    assertThat(large.state()).isEqualTo(StepRequest.State.DONE);
  }
}
