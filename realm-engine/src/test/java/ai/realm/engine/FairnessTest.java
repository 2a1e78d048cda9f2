package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Tenants that compete, and a victim beside hostile neighbours (`reliability.md` F01–F03), in simulated time: the
/// schedules of `./dev bench fairness` and more.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class FairnessTest {
  private static final double SECONDS = 60;

  /// How many times what it is beside a polite neighbour a victim's 99th percentile may be.
  private static final double BOUND = 1.5;

  private static final double LEAST_JAIN = 0.95;

  /// What misses a bound, and by how much it may: `docs/benchmarks.md` says why.
  private static final Map<String, Double> KNOWN_JAIN =
      Map.of(
          "4 equal tenants decode, 4 send prompts", 0.88,
          "F03 a hundred allowed streams and two polite", 0.8);

  private static final long REST = 200_000_000;

  private static SimulatedEngine engine() {
    return new SimulatedEngine(SimulatedEngine.sizes().build(), 4096);
  }

  private static EngineTenant tenant(SimulatedEngine engine, String name) {
    return engine.state.tenant(name, FairnessSchedule.quarter(4));
  }

  /// A tenant that may fill the places of a step.
  private static EngineTenant large(SimulatedEngine engine, String name) {
    return engine.state.tenant(name, new TenantShare(1, 16, 4096, 64));
  }

  /// Clients that never rest, each with prompts and answers of so many tokens.
  private static List<SimulatedEngine.Client> clients(
      SimulatedEngine engine, EngineTenant tenant, int n, int prompt, int answer) {
    List<SimulatedEngine.Client> all = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      all.add(engine.client(tenant, prompt, answer, 0));
    }
    return all;
  }

  /// One that decodes nearly all the time.
  private static SimulatedEngine.Client decoder(
      SimulatedEngine engine, EngineTenant tenant, int answer) {
    return decoders(engine, tenant, 1, answer).getFirst();
  }

  private static List<SimulatedEngine.Client> decoders(
      SimulatedEngine engine, EngineTenant tenant, int n, int answer) {
    return clients(engine, tenant, n, 10, answer);
  }

  /// One that does nothing but prompts.
  private static SimulatedEngine.Client prompter(
      SimulatedEngine engine, EngineTenant tenant, int prompt) {
    return prompters(engine, tenant, 1, prompt).getFirst();
  }

  private static List<SimulatedEngine.Client> prompters(
      SimulatedEngine engine, EngineTenant tenant, int n, int prompt) {
    return clients(engine, tenant, n, prompt, 1);
  }

  /// A tenant that comes late, now and then, with little.
  private static SimulatedEngine.Client late(SimulatedEngine engine) {
    return engine.client(tenant(engine, "late"), 100, 5, REST);
  }

  private static void assertFirstTokenWithin(double nanos, SimulatedEngine.Client client) {
    assertThat(client.answers).isGreaterThan(5);
    assertThat(SimulatedEngine.p99(client.firstTokenNanos)).isLessThan(nanos);
  }

  private static SimulatedEngine.Client victim(SimulatedEngine engine) {
    return engine.client(tenant(engine, "victim"), 100, 40, REST);
  }

  /// Of each schedule by name; all are exact, so each runs once.
  private final Map<String, FairnessSchedule.Outcome> outcomes = new HashMap<>();

  private FairnessSchedule.Outcome outcome(FairnessSchedule schedule) {
    return outcomes.computeIfAbsent(schedule.name(), name -> schedule.run(SECONDS));
  }

  private static Stream<FairnessSchedule> schedules() {
    return FairnessSchedule.all().stream();
  }

  private static Stream<FairnessSchedule> hostile() {
    return schedules().filter(schedule -> schedule.polite() != null);
  }

  @ParameterizedTest
  @MethodSource("schedules")
  @DisplayName("tenants that always have work receive it by their weights (Jain index)")
  void whoAlwaysHasWorkReceivesItsShare(FairnessSchedule schedule) {
    Double jain = outcome(schedule).jain();
    if (jain != null) {
      double least = KNOWN_JAIN.getOrDefault(schedule.name(), LEAST_JAIN);
      assertThat(jain).isGreaterThanOrEqualTo(least);
    }
  }

  @ParameterizedTest
  @MethodSource("hostile")
  @DisplayName("F01 to F03: hostile neighbours leave the victim its fair share")
  void hostileNeighboursLeaveTheVictimItsFairShare(FairnessSchedule schedule) {
    FairnessSchedule.Outcome found = outcome(schedule);
    FairnessSchedule.Outcome fair = outcome(schedule.polite());
    assertThat(found.firstTokenNanos()).hasSizeGreaterThan(50);
    assertThat(found.refused()).isZero();
    assertThat(SimulatedEngine.p99(found.firstTokenNanos()))
        .isLessThanOrEqualTo(BOUND * SimulatedEngine.p99(fair.firstTokenNanos()));
    assertThat(SimulatedEngine.p99(found.betweenTokensNanos()))
        .isLessThanOrEqualTo(BOUND * SimulatedEngine.p99(fair.betweenTokensNanos()));
  }

  @Test
  @DisplayName("who asks again at once does not wait for a step of all streams that a stranger has")
  void whoAsksAgainAtOnceFindsAShortStep() {
    FairnessSchedule schedule =
        FairnessSchedule.askingAgain().stream()
            .filter(one -> one.name().contains("allowed"))
            .findFirst()
            .orElseThrow();
    long[] first = outcome(schedule).firstTokenNanos();
    assertThat(first).hasSizeGreaterThan(50);
    // A step takes 5 ms and 0.2 ms a row: one of the hundred 25.
    assertThat(SimulatedEngine.p99(first)).isLessThan(12e6);
  }

  @ParameterizedTest
  @MethodSource("hostile")
  @DisplayName(
      "a hostile neighbour has its own share, and what it asks beyond its bounds is refused")
  void aHostileNeighbourHasItsOwnShare(FairnessSchedule schedule) {
    FairnessSchedule.Outcome found = outcome(schedule);
    FairnessSchedule.Part hostile =
        found.parts().stream().filter(p -> p.kind().equals("hostile")).findFirst().orElseThrow();
    assertThat(hostile.least()).isGreaterThan(hostile.due());
    if (schedule.name().matches("F01.*|F03 a (hundred|thousand) streams.*")) {
      assertThat(found.refusedOthers()).isGreaterThan(100);
    } else {
      assertThat(found.refusedOthers()).isZero();
    }
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
    SimulatedEngine.Client stranger = decoder(engine, tenant(engine, "stranger"), 2000);
    EngineTenant other = tenant(engine, "other");
    if (prompts) {
      prompter(engine, other, 3000);
    }
    engine.run(SECONDS);
    return SimulatedEngine.p99(stranger.interTokenNanos);
  }

  @Test
  @DisplayName(
      "who comes while a stranger's prompt runs waits for two decoding steps, not for the prompt")
  void aPromptThatRunsAloneMakesWayForWhoComes() {
    SimulatedEngine engine =
        new SimulatedEngine(SimulatedEngine.sizes().maxRows(2048).build(), 4096);
    SimulatedEngine.Client victim = engine.client(tenant(engine, "victim"), 10, 20, 2 * REST);
    prompter(engine, tenant(engine, "other"), 4000);
    engine.run(SECONDS);
    assertThat(victim.answers).isGreaterThan(5);
    double step = SimulatedEngine.STEP_NANOS + SimulatedEngine.ROW_NANOS;
    // The step that runs when it comes, of two decoding steps' time or 16 rows, and its own, which
    // the other's prompt fills to as much again.
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
    // Some always decode and some always begin.
    clients(engine, busy, 8, 400, 30);
    SimulatedEngine.Client prompts = prompter(engine, tenant(engine, "other"), 600);
    engine.run(SECONDS);
    assertThat(prompts.answers).isGreaterThan(10);
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
    EngineTenant steady = tenant(engine, "steady");
    EngineTenant late = tenant(engine, "late");
    prompters(engine, steady, 4, 500);
    engine.run(30);
    long before = steady.promptTokens;
    prompters(engine, late, 4, 500);
    engine.run(60);
    double ratio = (double) late.promptTokens / (steady.promptTokens - before);
    assertThat(ratio).isBetween(0.9, 1.1);
  }

  @Test
  @DisplayName(
      "who comes stands beside the tenant that had least, not behind it until it has caught up")
  void aNewcomerDoesNotWaitUntilAnotherHasCaughtUp() {
    SimulatedEngine engine = engine();
    EngineTenant decoding = large(engine, "decoding");
    decoders(engine, decoding, 12, 2000);
    EngineTenant prompting = tenant(engine, "prompting");
    prompters(engine, prompting, 3, 2000);
    engine.run(SECONDS);
    assertThat(decoding.virtualTime)
        .as("the tenant whose prompts are held back beside tokens is behind by far")
        .isGreaterThan(prompting.virtualTime + 2000);
    SimulatedEngine.Client late = late(engine);
    engine.run(2 * SECONDS);
    // Half of the rows that prompts get: 100 tokens of its own among as many of the other's.
    assertFirstTokenWithin(1.5e9, late);
  }

  @Test
  @DisplayName("a prompt gets a place though more sequences decode than a step has places")
  void fullPlacesDoNotKeepPromptsOut() {
    SimulatedEngine engine = engine();
    for (int t = 0; t < 5; t++) {
      decoders(engine, large(engine, "t" + t), 4, 3000);
    }
    engine.run(5);
    SimulatedEngine.Client late = late(engine);
    engine.run(SECONDS);
    assertFirstTokenWithin(1e9, late);
  }

  @Test
  @DisplayName("with one place in a step a newcomer and a tenant that decodes take turns")
  void withOnePlaceTheyTakeTurns() {
    SimulatedEngine engine =
        new SimulatedEngine(SimulatedEngine.sizes().maxSequences(1).build(), 4096);
    SimulatedEngine.Client decoding = decoder(engine, tenant(engine, "decoding"), 3500);
    engine.run(5);
    SimulatedEngine.Client late = late(engine);
    engine.run(SECONDS);
    assertFirstTokenWithin(1e9, late);
    assertThat(decoding.interTokenNanos).as("goes on besides").hasSizeGreaterThan(3000);
  }

  @Test
  @DisplayName(
      "a tenant's own long prompt stalls its tokens no longer than maxStallMillis, also of slow callers")
  void aTenantsOwnPromptsDoNotStallItsTokens() {
    SimulatedEngine engine = engine();
    EngineTenant tenant = tenant(engine, "tenant");
    SimulatedEngine.Client slow = decoder(engine, tenant, 500).thinks(20_000_000);
    prompter(engine, tenant, 4000);
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
    List<SimulatedEngine.Client> leaving = decoders(engine, large(engine, "many"), 12, 300);
    SimulatedEngine.Client stays = decoder(engine, tenant(engine, "one"), 3000);
    prompters(engine, tenant(engine, "prompting"), 3, 2000);
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
    EngineTenant hostile = tenant(engine, "hostile");
    engine.choosing(hostile, 5_000_000);
    prompters(engine, hostile, 4, 2000).forEach(SimulatedEngine.Client::wantsAllOutputs);
    engine.run(SECONDS);
    assertThat(victim.answers).isGreaterThan(5);
    // One costly token a step and prompt: the step and three of them at the most.
    assertThat(SimulatedEngine.p99(victim.interTokenNanos)).isLessThan(30e6);
  }

  @Test
  @DisplayName(
      "who comes to a lone tenant that wants a token behind each of its own waits half a second")
  void whoComesBesideALoneScorerWaitsHalfASecond() {
    for (int streams : new int[] {1, 8}) {
      SimulatedEngine engine = engine();
      EngineTenant scorer = tenant(engine, "scorer");
      engine.choosing(scorer, 10_000_000);
      clients(engine, scorer, streams, 1000, 1).forEach(SimulatedEngine.Client::wantsAllOutputs);
      long longest = 0;
      for (int i = 0; i < 100; i++) {
        long before = engine.nanos();
        engine.step();
        longest = Math.max(longest, engine.nanos() - before);
      }
      assertThat(longest).as("%d streams", streams).isBetween(300_000_000L, 540_000_000L);
      long asked = engine.nanos();
      engine.ask(tenant(engine, "other"), new int[100]);
      assertThat(engine.nanos() - asked).isLessThan(1_100_000_000);
    }
  }

  @Test
  @DisplayName(
      "a tenant's prompts have the same steps beside another whose tokens are costly to choose")
  void costlySamplingLeavesOthersChunksAsTheyAre() {
    double cheap = chunkBeside(0);
    assertThat(chunkBeside(5_000_000)).isGreaterThanOrEqualTo(0.9 * cheap);
  }

  /// Rows of a tenant's prompts in each step that has some, beside a scorer.
  private static double chunkBeside(long samplingNanos) {
    SimulatedEngine engine = engine();
    EngineTenant scorer = tenant(engine, "scorer");
    engine.choosing(scorer, samplingNanos);
    prompter(engine, scorer, 2000).wantsAllOutputs();
    EngineTenant other = tenant(engine, "other");
    prompter(engine, other, 2000);
    engine.run(1);
    long before = other.promptTokens;
    int chunks = 0;
    for (int i = 0; i < 400; i++) {
      long had = other.promptTokens;
      engine.step();
      chunks += other.promptTokens > had ? 1 : 0;
    }
    return (double) (other.promptTokens - before) / chunks;
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
