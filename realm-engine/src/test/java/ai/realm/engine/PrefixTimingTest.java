package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// What one tenant learns of another's prompts from the time to its own first tokens (`reliability.md` S01,
/// S03), in simulated time, where nothing else moves the clock.
final class PrefixTimingTest {
  private static final int SAMPLES = 500;
  private static final int PROMPT = 200;

  private final SplittableRandom random = new SplittableRandom(1);

  private static SimulatedEngine engine(int kvPositions) {
    return new SimulatedEngine(SimulatedEngine.sizes().kvPositions(kvPositions).build(), 4096);
  }

  private int[] prompt() {
    int[] prompt = new int[PROMPT];
    Arrays.setAll(prompt, i -> random.nextInt(FakeModel.VOCABULARY));
    return prompt;
  }

  /// Probability that a prompt which `cached` had asked before comes sooner than one it had not: 0.5
  /// where times tell nothing.
  private double areaUnderCurve(SimulatedEngine engine, EngineTenant cached, EngineTenant asking) {
    long[] hit = new long[SAMPLES / 2];
    long[] miss = new long[SAMPLES / 2];
    for (int i = 0; i < SAMPLES / 2; i++) {
      int[] known = prompt();
      engine.ask(cached, known);
      hit[i] = engine.ask(asking, known);
      // The same work by the others in between, on another prompt.
      engine.ask(cached, prompt());
      miss[i] = engine.ask(asking, prompt());
    }
    double sooner = 0;
    for (long h : hit) {
      for (long m : miss) {
        sooner += h < m ? 1 : h == m ? 0.5 : 0;
      }
    }
    return sooner / ((double) hit.length * miss.length);
  }

  @Test
  @DisplayName("S01: times do not tell whether another tenant asked the same")
  void aStrangersPromptsAreNoFaster() {
    SimulatedEngine engine = engine(1 << 18);
    EngineTenant a = engine.state.tenant("a", TenantShare.UNBOUNDED);
    EngineTenant b = engine.state.tenant("b", TenantShare.UNBOUNDED);
    double area = areaUnderCurve(engine, a, b);
    assertThat(Math.abs(area - 0.5)).isLessThanOrEqualTo(0.05);
  }

  @Test
  @DisplayName("S01: they do tell a tenant of its own prompts, so the measure sees a cache")
  void onesOwnPromptsAreFaster() {
    SimulatedEngine engine = engine(1 << 18);
    EngineTenant a = engine.state.tenant("a", TenantShare.UNBOUNDED);
    assertThat(areaUnderCurve(engine, a, a)).isGreaterThan(0.95);
  }

  @Test
  @DisplayName("S03: nor do they where the cache is full and prompts evict each other")
  void evictionTellsNothingOfAStrangersPrompts() {
    // Room for 10 prompts of both tenants together.
    SimulatedEngine engine = engine(2048);
    EngineTenant a = engine.state.tenant("a", TenantShare.UNBOUNDED);
    EngineTenant b = engine.state.tenant("b", TenantShare.UNBOUNDED);
    double area = areaUnderCurve(engine, a, b);
    assertThat(Math.abs(area - 0.5)).isLessThanOrEqualTo(0.05);
  }
}
