package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// When a core is left to what wakes up beside the computation.
@Timeout(60)
final class SparedCoreTest {
  private static final EngineConfig CONFIG = FakeModel.sizes(64, 16, 16, 256).build();
  private static final TenantShare SHARE = new TenantShare(1, 16, 256, 64);

  private final SimulatedEngine engine = new SimulatedEngine(CONFIG, 2000);

  private void client(String tenant) {
    engine.client(engine.state.tenant(tenant, SHARE), 20, 50, 0);
  }

  private boolean sparedAfter(double seconds) {
    engine.run(seconds);
    return engine.state.scheduler.sparedPart() > 0;
  }

  @Test
  void tinyStepsSpareACoreWhoeverIsThere() {
    engine.takes(200_000, 1000);
    assertThat(engine.state.scheduler.sparedPart()).as("before anything was measured").isZero();
    client("alone");
    assertThat(sparedAfter(0.5)).isTrue();
  }

  @Test
  void shortStepsSpareACoreInCompanyOnly() {
    engine.takes(1_500_000, 1000);
    client("first");
    assertThat(sparedAfter(0.5)).as("alone").isFalse();
    client("second");
    assertThat(sparedAfter(1)).as("in company").isTrue();
    assertThat(engine.state.scheduler.sparedPart()).as("of few threads none").isEqualTo(0.25);
  }

  @Test
  void longStepsUseEveryThread() {
    engine.takes(5_000_000, 1000);
    client("first");
    client("second");
    assertThat(sparedAfter(0.5)).isFalse();
  }

  @Test
  void oneStepThatWasHeldBackChangesNothing() {
    engine.takes(1_500_000, 1000);
    client("first");
    client("second");
    engine.run(0.5);
    engine.delayNext(50_000_000);
    assertThat(sparedAfter(0.56)).isTrue();
  }

  @Test
  void theBackendIsToldBeforeTheStep() throws InterruptedException {
    assertTinyStepsAreTold(null);
  }

  @Test
  void whatChoosingATokenTakesIsNoPartOfTheStep() throws InterruptedException {
    assertTinyStepsAreTold(
        new TokenConstraint() {
          @Override
          public void mask(long[] allowed) {
            LockSupport.parkNanos(5_000_000);
            Arrays.fill(allowed, -1);
          }

          @Override
          public void accept(int token) {}
        });
  }

  private static void assertTinyStepsAreTold(@Nullable TokenConstraint constraint)
      throws InterruptedException {
    FakeModel model = new FakeModel(256);
    try (Engine real = Engine.start(model, model.backend, CONFIG)) {
      try (Sequence s = real.newSequence(real.tenant("t", SHARE))) {
        StepRequest request = new StepRequest();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (model.backend.free == 0 && System.nanoTime() < deadline) {
          request.set(s, new int[] {1}, 1, 1, Sampler.of(SamplingParams.GREEDY));
          request.constrain(constraint);
          real.submit(request);
          request.await(deadline);
          s.truncate(0);
        }
      }
    }
    assertThat(model.backend.free).as("of a tiny step").isEqualTo(0.5);
  }
}
