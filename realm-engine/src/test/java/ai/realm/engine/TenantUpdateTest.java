package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Shares that change while tenants are served.
@Timeout(120)
final class TenantUpdateTest {
  private static final long SECOND = 1_000_000_000L;
  private static final int BLOCK = 8;

  private static SimulatedEngine simulated() {
    return new SimulatedEngine(SimulatedEngine.sizes().build(), 4096);
  }

  private static TenantShare share(Priority priority, double weight) {
    return new TenantShare(priority, weight, 64, 4096, 64);
  }

  /// Prompt tokens of the first for one of the second in the next seconds.
  private static double ratio(
      SimulatedEngine engine, double from, double to, EngineTenant one, EngineTenant other) {
    engine.run(from);
    long ofOne = one.promptTokens;
    long ofOther = other.promptTokens;
    engine.run(to);
    return (double) (one.promptTokens - ofOne) / (other.promptTokens - ofOther);
  }

  @Test
  @DisplayName("a weight that changes shows in the shares from then on, in both directions")
  void weightsChange() {
    SimulatedEngine engine = simulated();
    EngineTenant a = engine.state.tenant("a", share(Priority.NORMAL, 1));
    EngineTenant b = engine.state.tenant("b", share(Priority.NORMAL, 1));
    for (int i = 0; i < 8; i++) {
      engine.client(a, 400, 1, 0);
      engine.client(b, 400, 1, 0);
    }
    assertThat(ratio(engine, 5, 35, a, b)).isBetween(0.9, 1.1);
    engine.state.update(a, share(Priority.NORMAL, 3));
    assertThat(ratio(engine, 35, 65, a, b)).isBetween(2.7, 3.3);
    engine.state.update(a, share(Priority.NORMAL, 1));
    engine.state.update(b, share(Priority.NORMAL, 4));
    assertThat(ratio(engine, 65, 95, a, b)).isBetween(1 / 4.4, 1 / 3.6);
  }

  @Test
  @DisplayName("a priority that changes counts from the next steps, whatever was had before")
  void prioritiesChange() {
    SimulatedEngine engine = simulated();
    EngineTenant a = engine.state.tenant("a", share(Priority.LOW, 1));
    EngineTenant b = engine.state.tenant("b", share(Priority.NORMAL, 1));
    for (int i = 0; i < 8; i++) {
      engine.client(a, 400, 1, 0);
      engine.client(b, 400, 1, 0);
    }
    assertThat(ratio(engine, 5, 35, a, b)).isLessThan(1 / 10.0);
    engine.state.update(a, share(Priority.HIGH, 1));
    assertThat(ratio(engine, 35, 40, a, b)).isGreaterThan(10);
    // Among equals neither pays for what it had at another priority, nor is paid.
    engine.state.update(a, share(Priority.NORMAL, 1));
    assertThat(ratio(engine, 45, 75, a, b)).isBetween(0.9, 1.1);
  }

  private static Engine start(FakeModel model) {
    return Engine.start(
        model, model.backend, FakeModel.sizes(64, 16, BLOCK, 400).maxQueuedRequests(1000).build());
  }

  private static void step(Engine engine, Sequence s, int tokens) throws InterruptedException {
    int[] ids = new int[tokens];
    Arrays.setAll(ids, i -> i % FakeModel.VOCABULARY);
    StepRequest request =
        new StepRequest().set(s, ids, tokens, 1, Sampler.of(SamplingParams.GREEDY));
    engine.submit(request);
    request.await(System.nanoTime() + 30 * SECOND);
  }

  private static void refused(String code, ThrowingCallable act) {
    assertThatThrownBy(act)
        .isInstanceOfSatisfying(
            AdmissionException.class, e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code));
  }

  @Test
  void lowerBoundsAreForSequencesThatAreOpenedLater() throws Exception {
    try (Engine engine = start(new FakeModel(1000))) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 4, 13, 100));
      Sequence old = engine.newSequence(tenant);
      step(engine, old, 3 * BLOCK);
      engine.update(tenant, new TenantShare(1, 2, 2, 1));
      // What runs goes on, and may fork: up to the bounds that it was opened with.
      step(engine, old, BLOCK);
      Sequence fork = old.fork();
      Sequence second = fork.fork();
      step(engine, fork, BLOCK);
      refused("SEQUENCE_LIMIT", () -> engine.newSequence(tenant));
      refused("KV_LIMIT", second::fork);
      second.close();
      fork.close();
      Sequence fresh = engine.newSequence(tenant);
      refused("KV_LIMIT", () -> step(engine, fresh, 1));
      refused("SEQUENCE_LIMIT", () -> engine.newSequence(tenant));
      old.close();
      step(engine, fresh, 2 * BLOCK);
      refused("KV_LIMIT", () -> step(engine, fresh, 1));
      // Raised, they hold for all at once.
      engine.update(tenant, new TenantShare(1, 8, 20, 100));
      step(engine, fresh, 10 * BLOCK);
      engine.newSequence(tenant);
      engine.newSequence(tenant);
    }
  }

  @Test
  void moreStepsOfSequencesThatAreOpenMayWaitThanOfNewOnes() throws Exception {
    FakeModel model = new FakeModel(1000);
    model.nanosPerRow = 50_000_000;
    try (Engine engine = start(model)) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 100, 1000, 4));
      List<Sequence> old =
          List.of(
              engine.newSequence(tenant), engine.newSequence(tenant), engine.newSequence(tenant));
      engine.update(tenant, new TenantShare(1, 100, 1000, 1));
      List<StepRequest> requests =
          old.stream()
              .map(s ->
                  new StepRequest().set(s, new int[] {1}, 1, 1, Sampler.of(SamplingParams.GREEDY)))
              .toList();
      engine.submit(requests);
      Sequence fresh = engine.newSequence(tenant);
      refused("QUEUE_FULL", () -> step(engine, fresh, 1));
      for (StepRequest r : requests) {
        r.await(System.nanoTime() + 30 * SECOND);
      }
      step(engine, fresh, 1);
    }
  }

  @Test
  void aTenantThatIsNotThereCannotBeChanged() {
    try (Engine engine = start(new FakeModel(1000))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      engine.remove(tenant);
      assertThatThrownBy(() -> engine.update(tenant, TenantShare.UNBOUNDED))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("not registered");
    }
  }
}
