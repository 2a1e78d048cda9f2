package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// Priorities of tenants, in simulated time.
final class PriorityTest {
  private static final double SECONDS = 60;
  private static final long REST = 200_000_000;

  private static SimulatedEngine engine(int kvPositions) {
    return new SimulatedEngine(SimulatedEngine.sizes().kvPositions(kvPositions).build(), 4096);
  }

  private static TenantShare share(Priority priority) {
    return new TenantShare(priority, 1, 64, 4096, 64);
  }

  @Test
  @DisplayName("a high priority's first token does not wait for a low one's queue")
  void aHighPriorityGoesFirst() {
    double beside = firstTokenBeside(Priority.LOW);
    double amongEquals = firstTokenBeside(Priority.HIGH);
    assertThat(beside).isLessThan(0.6 * amongEquals);
  }

  private static double firstTokenBeside(Priority others) {
    SimulatedEngine engine = engine(16 * 4096);
    SimulatedEngine.Client asking =
        engine.client(engine.state.tenant("asking", share(Priority.HIGH)), 1000, 5, REST);
    for (int i = 0; i < 6; i++) {
      engine.client(engine.state.tenant("t" + i, share(others)), 500, 1, 0);
    }
    engine.run(SECONDS);
    assertThat(asking.answers).isGreaterThan(5);
    return SimulatedEngine.p99(asking.firstTokenNanos);
  }

  @Test
  @DisplayName("a low priority gets its sixteenth while higher ones never rest")
  void aLowPriorityIsNotStarved() {
    SimulatedEngine engine = engine(16 * 4096);
    EngineTenant high = engine.state.tenant("high", share(Priority.HIGH));
    EngineTenant low = engine.state.tenant("low", share(Priority.LOW));
    for (int i = 0; i < 8; i++) {
      engine.client(high, 400, 1, 0);
      engine.client(low, 400, 1, 0);
    }
    engine.run(SECONDS);
    double ratio = (double) low.promptTokens / high.promptTokens;
    assertThat(ratio).isBetween(1 / 20.0, 1 / 10.0);
  }

  @Test
  @DisplayName("tenants of one priority share by weight, whatever is below them")
  void weightsHoldWithinAPriority() {
    SimulatedEngine engine = engine(16 * 4096);
    EngineTenant heavy =
        engine.state.tenant("heavy", new TenantShare(Priority.HIGH, 3, 64, 4096, 64));
    EngineTenant light =
        engine.state.tenant("light", new TenantShare(Priority.HIGH, 1, 64, 4096, 64));
    EngineTenant low = engine.state.tenant("low", share(Priority.LOW));
    for (int i = 0; i < 8; i++) {
      engine.client(heavy, 400, 1, 0);
      engine.client(light, 400, 1, 0);
      engine.client(low, 400, 1, 0);
    }
    engine.run(SECONDS);
    assertThat((double) heavy.promptTokens / light.promptTokens).isBetween(2.7, 3.3);
  }

  @Test
  @DisplayName("an idle machine is a low priority's own")
  void aLowPriorityAloneGetsEverything() {
    SimulatedEngine engine = engine(16 * 4096);
    EngineTenant low = engine.state.tenant("low", share(Priority.LOW));
    EngineTenant normal = engine.state.tenant("normal", share(Priority.NORMAL));
    List<SimulatedEngine.Client> clients = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      clients.add(engine.client(low, 400, 1, 0));
    }
    engine.run(SECONDS / 2);
    SimulatedEngine other = engine(16 * 4096);
    EngineTenant same = other.state.tenant("normal", share(Priority.NORMAL));
    for (int i = 0; i < 4; i++) {
      other.client(same, 400, 1, 0);
    }
    other.run(SECONDS / 2);
    assertThat(low.promptTokens).isEqualTo(same.promptTokens);
    assertThat(normal.promptTokens).isZero();
    assertThat(clients).allSatisfy(c -> assertThat(c.answers).isPositive());
  }

  @Test
  @DisplayName("blocks are taken from the lowest priority, however old its sequences are")
  void blocksAreTakenFromTheLowestPriority() {
    // Room for two sequences of 2,000 tokens; the low one is the eldest.
    SimulatedEngine engine = engine(2 * 2048);
    EngineTenant low = engine.state.tenant("low", share(Priority.LOW));
    EngineTenant high = engine.state.tenant("high", share(Priority.HIGH));
    SimulatedEngine.Client first = engine.client(low, 1500, 400, 0);
    engine.run(2);
    List<SimulatedEngine.Client> later = new ArrayList<>();
    later.add(engine.client(high, 1500, 400, REST));
    later.add(engine.client(high, 1500, 400, REST));
    engine.run(SECONDS);
    // Who was preempted computed its prompt again.
    assertThat(low.promptTokens).isGreaterThan(1500L * (first.answers + 1));
    int answers = later.get(0).answers + later.get(1).answers;
    assertThat(answers).isGreaterThan(4);
    assertThat(high.promptTokens).isLessThanOrEqualTo(1500L * (answers + 2));
  }

  @Test
  @DisplayName("a high priority's prompt does not wait for low ones that decode, however many")
  void aHighPromptGoesBeforeLowTokens() {
    SimulatedEngine engine = engine(16 * 4096);
    for (int t = 0; t < 2; t++) {
      EngineTenant low = engine.state.tenant("low" + t, share(Priority.LOW));
      for (int i = 0; i < 16; i++) {
        engine.client(low, 10, 3000, 0);
      }
    }
    engine.run(10);
    SimulatedEngine.Client asking =
        engine.client(engine.state.tenant("asking", share(Priority.HIGH)), 600, 5, REST);
    engine.run(SECONDS);
    assertThat(asking.answers).isGreaterThan(5);
    // Five chunks of maxStallMillis, each in a step beside what decodes, and the one that runs when
    // it comes.
    assertThat(SimulatedEngine.p99(asking.firstTokenNanos)).isLessThan(6 * 45e6);
  }

  @Test
  @DisplayName("a new low priority shares with a low one that has waited for long")
  void aNewLowPriorityIsNotStarvedByAnother() {
    SimulatedEngine engine = engine(16 * 4096);
    EngineTenant high = engine.state.tenant("high", share(Priority.HIGH));
    EngineTenant old = engine.state.tenant("old", share(Priority.LOW));
    for (int i = 0; i < 8; i++) {
      engine.client(high, 400, 1, 0);
      engine.client(old, 400, 1, 0);
    }
    engine.run(SECONDS);
    EngineTenant late = engine.state.tenant("late", share(Priority.LOW));
    long before = old.promptTokens;
    for (int i = 0; i < 8; i++) {
      engine.client(late, 400, 1, 0);
    }
    engine.run(2 * SECONDS);
    double ratio = (double) late.promptTokens / (old.promptTokens - before);
    assertThat(ratio).isBetween(0.8, 1.25);
  }
}
