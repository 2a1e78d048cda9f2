package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// A victim beside hostile neighbours (`reliability.md` F01–F03), in simulated time. The baseline is
/// the same victim beside a neighbour that behaves as it does.
final class FairnessTest {
  private static final double SECONDS = 60;
  private static final double BOUND = 1.5;
  private static final long REST = 200_000_000;

  private static SimulatedEngine engine() {
    return new SimulatedEngine(SimulatedEngine.sizes().build(), 4096);
  }

  /// What a platform would give a tenant of four here: a quarter of blocks and places.
  private static TenantShare quarter() {
    return new TenantShare(1, 4, 1024, 64);
  }

  private static SimulatedEngine.Client victim(SimulatedEngine engine) {
    return engine.client(engine.state.tenant("victim", quarter()), 100, 40, REST);
  }

  private record Latency(double firstToken, double interToken, int rejections) {
    static Latency of(SimulatedEngine.Client c) {
      assertThat(c.answers).isGreaterThan(5);
      return new Latency(
          SimulatedEngine.p99(c.firstTokenNanos),
          SimulatedEngine.p99(c.interTokenNanos),
          c.rejections);
    }
  }

  /// The fair share: the neighbour keeps its four places busy with requests like the victim's.
  private static Latency baseline() {
    SimulatedEngine engine = engine();
    SimulatedEngine.Client victim = victim(engine);
    EngineTenant neighbour = engine.state.tenant("neighbour", quarter());
    for (int i = 0; i < 4; i++) {
      engine.client(neighbour, 100, 40, 0);
    }
    engine.run(SECONDS);
    return Latency.of(victim);
  }

  private static void assertWithinFairShare(SimulatedEngine.Client victim) {
    Latency fair = baseline();
    Latency found = Latency.of(victim);
    assertThat(found.rejections()).isZero();
    assertThat(found.firstToken()).isLessThanOrEqualTo(BOUND * fair.firstToken());
    assertThat(found.interToken()).isLessThanOrEqualTo(BOUND * fair.interToken());
  }

  @Test
  @DisplayName("F01: a flood ten times its share leaves the victim its fair share")
  void aFloodLeavesTheVictimItsFairShare() {
    SimulatedEngine engine = engine();
    SimulatedEngine.Client victim = victim(engine);
    EngineTenant hostile = engine.state.tenant("hostile", quarter());
    int rejected = 0;
    List<SimulatedEngine.Client> flood = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      flood.add(engine.client(hostile, 100, 40, 0));
    }
    engine.run(SECONDS);
    for (SimulatedEngine.Client c : flood) {
      rejected += c.rejections;
    }
    assertThat(rejected).isGreaterThan(100);
    assertWithinFairShare(victim);
  }

  @Test
  @DisplayName("F02: prompts of maximum length leave the victim its fair share")
  void longPromptsLeaveTheVictimItsFairShare() {
    SimulatedEngine engine = engine();
    SimulatedEngine.Client victim = victim(engine);
    EngineTenant hostile = engine.state.tenant("hostile", quarter());
    for (int i = 0; i < 4; i++) {
      engine.client(hostile, 4000, 1, 0);
    }
    engine.run(SECONDS);
    assertWithinFairShare(victim);
  }

  @Test
  @DisplayName("others' prompts at most double the time between a tenant's tokens")
  void longPromptsAtMostDoubleTheTimeBetweenAStrangersTokens() {
    double alone = interToken(false);
    double beside = interToken(true);
    // Each mixed step has at least 8 rows of the prompt, whatever they take.
    assertThat(beside).isLessThanOrEqualTo(2 * alone + 8 * SimulatedEngine.ROW_NANOS);
    assertThat(beside).as("prompts take part at all").isGreaterThan(1.2 * alone);
  }

  private static double interToken(boolean prompts) {
    SimulatedEngine engine = engine();
    EngineTenant stranger = engine.state.tenant("stranger", quarter());
    SimulatedEngine.Client decoding = engine.client(stranger, 10, 2000, 0);
    EngineTenant other = engine.state.tenant("other", quarter());
    if (prompts) {
      engine.client(other, 3000, 1, 0);
    }
    engine.run(SECONDS);
    return SimulatedEngine.p99(decoding.interTokenNanos);
  }

  @Test
  @DisplayName(
      "who comes while a stranger's prompt runs waits for two decoding steps, not for the prompt")
  void aPromptThatRunsAloneMakesWayForWhoComes() {
    SimulatedEngine engine =
        new SimulatedEngine(SimulatedEngine.sizes().maxRows(2048).build(), 4096);
    SimulatedEngine.Client victim =
        engine.client(engine.state.tenant("victim", quarter()), 10, 20, 2 * REST);
    engine.client(engine.state.tenant("other", quarter()), 4000, 1, 0);
    engine.run(SECONDS);
    assertThat(victim.answers).isGreaterThan(5);
    double step = SimulatedEngine.STEP_NANOS + SimulatedEngine.ROW_NANOS;
    // The step that runs when it comes, of two decoding steps' time or 16 rows, and its own, which
    // the
    // other's prompt fills to as much again.
    double bound =
        2 * Math.max(2 * step, SimulatedEngine.STEP_NANOS + 16 * SimulatedEngine.ROW_NANOS);
    assertThat(SimulatedEngine.p99(victim.firstTokenNanos)).isLessThanOrEqualTo(bound);
    assertThat(SimulatedEngine.STEP_NANOS + 2048 * SimulatedEngine.ROW_NANOS)
        .as("what a step of all rows would take")
        .isGreaterThan((long) (3 * bound));
  }

  @Test
  @DisplayName(
      "a tenant whose every step mixes prompts and tokens does not hold back another's prompts")
  void mixedStepsStarveNobodysPrompts() {
    SimulatedEngine engine = engine();
    EngineTenant busy = engine.state.tenant("busy", new TenantShare(1, 64, 4096, 64));
    for (int i = 0; i < 8; i++) {
      // Some always decode and some always begin.
      engine.client(busy, 400, 30, 0);
    }
    EngineTenant other = engine.state.tenant("other", quarter());
    SimulatedEngine.Client prompts = engine.client(other, 600, 1, 0);
    engine.run(SECONDS);
    assertThat(prompts.answers).isGreaterThan(10);
  }

  @Test
  @DisplayName("F03: a thousand streams leave the victim its fair share")
  void aThousandStreamsLeaveTheVictimItsFairShare() {
    SimulatedEngine engine = engine();
    SimulatedEngine.Client victim = victim(engine);
    EngineTenant hostile = engine.state.tenant("hostile", quarter());
    for (int i = 0; i < 1000; i++) {
      engine.client(hostile, 10, 1000, 0);
    }
    engine.run(SECONDS);
    assertWithinFairShare(victim);
  }

  @Test
  @DisplayName("equal tenants of unequal appetite receive equal work (Jain index)")
  void equalTenantsReceiveEqualWork() {
    SimulatedEngine engine = engine();
    List<EngineTenant> tenants = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      EngineTenant tenant = engine.state.tenant("t" + i, new TenantShare(1, 64, 4096, 64));
      tenants.add(tenant);
      for (int k = 0; k < 4 + 2 * i; k++) {
        engine.client(tenant, 60 + 40 * i, 20, 0);
      }
    }
    engine.run(SECONDS);
    double sum = 0;
    double squares = 0;
    for (EngineTenant tenant : tenants) {
      double work = tenant.promptTokens + 4.0 * tenant.decodedTokens;
      sum += work;
      squares += work * work;
    }
    double jain = sum * sum / (8 * squares);
    assertThat(jain).isGreaterThanOrEqualTo(0.95);
  }

  @Test
  @DisplayName("tenants that compete receive work in proportion to their weights")
  void sharesAreProportionalToWeights() {
    SimulatedEngine engine = engine();
    EngineTenant heavy = engine.state.tenant("heavy", new TenantShare(3, 16, 2048, 64));
    EngineTenant light = engine.state.tenant("light", new TenantShare(1, 16, 2048, 64));
    for (int i = 0; i < 8; i++) {
      engine.client(heavy, 400, 1, 0);
      engine.client(light, 400, 1, 0);
    }
    engine.run(SECONDS);
    assertThat((double) heavy.promptTokens / light.promptTokens).isBetween(2.8, 3.2);
  }

  @Test
  @DisplayName("a tenant that was away gets no credit for it")
  void absenceEarnsNoCredit() {
    SimulatedEngine engine = engine();
    EngineTenant steady = engine.state.tenant("steady", quarter());
    EngineTenant late = engine.state.tenant("late", quarter());
    for (int i = 0; i < 4; i++) {
      engine.client(steady, 500, 1, 0);
    }
    engine.run(30);
    long before = steady.promptTokens;
    for (int i = 0; i < 4; i++) {
      engine.client(late, 500, 1, 0);
    }
    engine.run(60);
    double ratio = (double) late.promptTokens / (steady.promptTokens - before);
    assertThat(ratio).isBetween(0.9, 1.1);
  }

  @Test
  @DisplayName(
      "who comes stands beside the tenant that had least, not behind it until it has caught up")
  void aNewcomerDoesNotWaitUntilAnotherHasCaughtUp() {
    SimulatedEngine engine = engine();
    EngineTenant decoding = engine.state.tenant("decoding", new TenantShare(1, 16, 4096, 64));
    for (int i = 0; i < 12; i++) {
      engine.client(decoding, 10, 2000, 0);
    }
    EngineTenant prompting = engine.state.tenant("prompting", quarter());
    for (int i = 0; i < 3; i++) {
      engine.client(prompting, 2000, 1, 0);
    }
    engine.run(SECONDS);
    assertThat(decoding.virtualTime)
        .as("the tenant whose prompts are held back beside tokens is behind by far")
        .isGreaterThan(prompting.virtualTime + 2000);
    SimulatedEngine.Client late =
        engine.client(engine.state.tenant("late", quarter()), 100, 5, REST);
    engine.run(2 * SECONDS);
    assertThat(late.answers).isGreaterThan(5);
    // Half of the rows that prompts get: 100 tokens of its own among as many of the other's.
    assertThat(SimulatedEngine.p99(late.firstTokenNanos)).isLessThan(1.5e9);
  }

  @Test
  @DisplayName("a prompt gets a place though more sequences decode than a step has places")
  void fullPlacesDoNotKeepPromptsOut() {
    SimulatedEngine engine = engine();
    for (int t = 0; t < 5; t++) {
      EngineTenant tenant = engine.state.tenant("t" + t, new TenantShare(1, 16, 4096, 64));
      for (int i = 0; i < 4; i++) {
        engine.client(tenant, 10, 3000, 0);
      }
    }
    engine.run(5);
    SimulatedEngine.Client late =
        engine.client(engine.state.tenant("late", quarter()), 100, 5, REST);
    engine.run(SECONDS);
    assertThat(late.answers).isGreaterThan(5);
    assertThat(SimulatedEngine.p99(late.firstTokenNanos)).isLessThan(1e9);
  }

  @Test
  @DisplayName("with one place in a step a newcomer and a tenant that decodes take turns")
  void withOnePlaceTheyTakeTurns() {
    SimulatedEngine engine =
        new SimulatedEngine(SimulatedEngine.sizes().maxSequences(1).build(), 4096);
    SimulatedEngine.Client decoding =
        engine.client(engine.state.tenant("decoding", quarter()), 10, 3500, 0);
    engine.run(5);
    SimulatedEngine.Client late =
        engine.client(engine.state.tenant("late", quarter()), 100, 5, REST);
    engine.run(SECONDS);
    assertThat(late.answers).isGreaterThan(5);
    assertThat(SimulatedEngine.p99(late.firstTokenNanos)).isLessThan(1e9);
    assertThat(decoding.interTokenNanos).as("goes on besides").hasSizeGreaterThan(3000);
  }

  @Test
  @DisplayName(
      "a tenant's own long prompt stalls its tokens no longer than maxStallMillis, also of slow callers")
  void aTenantsOwnPromptsDoNotStallItsTokens() {
    SimulatedEngine engine = engine();
    EngineTenant tenant = engine.state.tenant("tenant", quarter());
    SimulatedEngine.Client slow = engine.client(tenant, 10, 500, 0).thinks(20_000_000);
    engine.client(tenant, 4000, 1, 0);
    engine.run(SECONDS);
    double step = SimulatedEngine.STEP_NANOS + SimulatedEngine.ROW_NANOS;
    // What runs when its next token is asked for, and its own step with another chunk.
    double bound = 20_000_000 + 2 * (30_000_000 + step);
    assertThat(slow.interTokenNanos).hasSizeGreaterThan(500);
    assertThat(SimulatedEngine.p99(slow.interTokenNanos)).isLessThanOrEqualTo(bound);
  }

  @Test
  @DisplayName(
      "the stretch of tokens follows the load that decodes now, also while prompts never rest")
  void theStretchFollowsTheLoad() {
    SimulatedEngine engine = engine();
    EngineTenant many = engine.state.tenant("many", new TenantShare(1, 16, 4096, 64));
    List<SimulatedEngine.Client> leaving = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      leaving.add(engine.client(many, 10, 300, 0));
    }
    EngineTenant one = engine.state.tenant("one", quarter());
    SimulatedEngine.Client stays = engine.client(one, 10, 3000, 0);
    EngineTenant prompting = engine.state.tenant("prompting", quarter());
    for (int i = 0; i < 3; i++) {
      engine.client(prompting, 2000, 1, 0);
    }
    engine.run(SECONDS / 2);
    engine.stop(leaving);
    engine.run(SECONDS / 2 + 5);
    stays.interTokenNanos.clear();
    engine.run(SECONDS);
    double alone = SimulatedEngine.STEP_NANOS + SimulatedEngine.ROW_NANOS;
    assertThat(SimulatedEngine.p99(stays.interTokenNanos)).isLessThanOrEqualTo(1.5 * alone);
  }

  @Test
  @DisplayName("tokens that are costly to choose are the asker's own affair")
  void costlySamplingIsChargedAndBounded() {
    SimulatedEngine engine = engine();
    SimulatedEngine.Client victim = victim(engine);
    EngineTenant hostile = engine.state.tenant("hostile", quarter());
    engine.choosing(hostile, 5_000_000);
    for (int i = 0; i < 4; i++) {
      engine.client(hostile, 2000, 1, 0).wantsAllOutputs();
    }
    engine.run(SECONDS);
    assertThat(victim.answers).isGreaterThan(5);
    // One costly token a step and prompt: the step and three of them at the most.
    assertThat(SimulatedEngine.p99(victim.interTokenNanos)).isLessThan(30e6);
  }

  @Test
  @DisplayName("whatever waits, a step takes some of it: whoever asks gets on")
  void somebodyAlwaysGetsOn() {
    for (int seed = 0; seed < 200; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      SimulatedEngine engine =
          new SimulatedEngine(
              SimulatedEngine.sizes()
                  .maxRows(1 + random.nextInt(64))
                  .maxSequences(1 + random.nextInt(6))
                  .maxStallMillis(1 + random.nextInt(30))
                  .build(),
              4096);
      engine.takes(100_000 + random.nextInt(2_000_000), random.nextInt(200_000));
      List<SimulatedEngine.Client> clients = new ArrayList<>();
      for (int t = 0; t < 1 + random.nextInt(5); t++) {
        Priority priority = Priority.values()[random.nextInt(3)];
        EngineTenant tenant =
            engine.state.tenant(
                "t" + t, new TenantShare(priority, 1 + random.nextInt(3), 64, 4096, 64));
        for (int c = 0; c < 1 + random.nextInt(4); c++) {
          clients.add(
              engine
                  .client(
                      tenant,
                      1 + random.nextInt(80),
                      1 + random.nextInt(20),
                      random.nextInt(50_000_000))
                  .thinks(random.nextInt(3) * 1_000_000L));
        }
      }
      engine.run(SECONDS);
      assertThat(engine.idleWhileSomethingWaited()).as("seed %d", seed).isZero();
      assertThat(clients)
          .as("seed %d, %s", seed, engine.config)
          .allSatisfy(c -> assertThat(c.firstTokenNanos).as("%s", c.tenant.share()).isNotEmpty());
    }
  }
}
