package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// Ten times the load that the engine can serve (`reliability.md` F09), in simulated time. Refused callers
/// come again after 100 ms, served ones with their next question as well.
final class OverloadTest {
  private static final double SECONDS = 60;
  private static final int TENANTS = 4;
  private static final int CAPACITY = 16;
  private static final int QUEUED = 16;
  private static final long REST = 100_000_000;

  private static SimulatedEngine engine() {
    return new SimulatedEngine(
        SimulatedEngine.sizes().maxSequences(CAPACITY).maxQueuedRequests(64).build(), 4096);
  }

  private static List<SimulatedEngine.Client> load(SimulatedEngine engine, int clients) {
    List<SimulatedEngine.Client> all = new ArrayList<>();
    List<EngineTenant> tenants = new ArrayList<>();
    for (int t = 0; t < TENANTS; t++) {
      tenants.add(engine.state.tenant("t" + t, new TenantShare(1, 64, 2048, QUEUED)));
    }
    for (int i = 0; i < clients; i++) {
      all.add(engine.client(tenants.get(i % TENANTS), 60, 20, REST));
    }
    return all;
  }

  private static int answers(List<SimulatedEngine.Client> clients) {
    return clients.stream().mapToInt(c -> c.answers).sum();
  }

  @Test
  @DisplayName("F09: at ten times the load, goodput stays and refusals are honest")
  void goodputHoldsUnderTenTimesTheLoad() {
    SimulatedEngine peak = engine();
    List<SimulatedEngine.Client> some = load(peak, CAPACITY);
    peak.run(SECONDS);
    SimulatedEngine flooded = engine();
    List<SimulatedEngine.Client> many = load(flooded, 10 * CAPACITY);
    flooded.run(SECONDS);
    assertThat(many.stream().mapToInt(c -> c.rejections).sum()).isPositive();
    assertThat((double) answers(many)).isGreaterThanOrEqualTo(0.8 * answers(some));
    // Nobody is shut out for good while others are served.
    assertThat(many.stream().filter(c -> c.answers == 0).count()).isLessThan(many.size() / 10);
  }

  @Test
  @DisplayName("F09: within five seconds after the flood it is as before")
  void itRecoversAfterTheFlood() {
    SimulatedEngine engine = engine();
    int[] prompt = new int[60];
    EngineTenant tenant = engine.state.tenant("asking", new TenantShare(1, 64, 2048, QUEUED));
    long before = engine.ask(tenant, prompt);
    List<SimulatedEngine.Client> many = load(engine, 10 * CAPACITY);
    engine.run(30);
    engine.stop(many);
    engine.run(35);
    prompt[0] = 1;
    assertThat(engine.ask(tenant, prompt)).isLessThanOrEqualTo(2 * before);
    assertThat(engine.state.stats(0, 0, 0).queued()).isZero();
  }
}
