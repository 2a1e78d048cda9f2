package ai.realm.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Tenants that compete on a simulated clock, and what each gets of the real scheduler: what
/// `./dev bench fairness` prints and [FairnessTest] asserts. The benchmark has it from this module's jar of
/// test classes, so that nothing inside the engine becomes public for it.
public final class FairnessSchedule {
  /// Of the begin, when all come at once, times are not kept.
  private static final double BEGIN_SECONDS = 2;

  /// Places in a step, but where all of a hundred streams are to have one.
  private static final int PLACES = 16;

  private static final int MANY_PLACES = 128;

  /// Streams of a polite tenant that fills a quarter of so many places.
  private static final int BUSY = 32;

  private static final int CONTEXT = 4096;
  private static final long REST_NANOS = 200_000_000;

  /// Of a caller who asks again when an answer is there.
  private static final long MOMENT_NANOS = 2_000_000;

  /// What a priority gets of the work of those above it (`docs/engine.md`).
  private static final double LOWER_PART = 1.0 / 16;

  private final String name;
  private final int places;
  private final List<Kind> kinds;
  private final @Nullable FairnessSchedule polite;

  private FairnessSchedule(
      String name, int places, List<Kind> kinds, @Nullable FairnessSchedule polite) {
    this.name = name;
    this.places = places;
    this.kinds = kinds;
    this.polite = polite;
  }

  /// Tenants that do the same.
  ///
  /// @param streams callers of each tenant, who ask and take their tokens one by one
  /// @param restNanos from the end of an answer to the next question; 0 of who always has work
  private record Kind(
      String name,
      int tenants,
      TenantShare share,
      int streams,
      int prompt,
      int answer,
      long restNanos) {
    Kind(String name, int tenants, TenantShare share, int streams, int prompt, int answer) {
      this(name, tenants, share, streams, prompt, answer, 0);
    }
  }

  /// What came of a schedule.
  ///
  /// @param jain Jain's index over work received by work due, of the tenants that always have work; null of fewer than two
  /// @param firstTokenNanos of the victim, who rests after each answer; empty where there is none
  /// @param betweenTokensNanos of the victim
  /// @param refused questions and tokens of the victim
  /// @param refusedOthers those of all others
  public record Outcome(
      List<Part> parts,
      @Nullable Double jain,
      long[] firstTokenNanos,
      long[] betweenTokensNanos,
      int refused,
      int refusedOthers) {}

  /// What tenants of a kind had of all work, and what was due to each by its weight within its priority.
  ///
  /// @param least of the one that had least
  public record Part(String kind, int tenants, double least, double most, double due) {}

  /// What is competed for.
  public String name() {
    return name;
  }

  /// The same with a polite tenant in the place of the hostile one.
  public @Nullable FairnessSchedule polite() {
    return polite;
  }

  /// All, each behind the one that it is compared with.
  public static List<FairnessSchedule> all() {
    List<FairnessSchedule> all = new ArrayList<>(amongPeers());
    all.addAll(besideOne());
    all.addAll(besideSeveral());
    all.addAll(besideBusy());
    all.addAll(askingAgain());
    return all;
  }

  /// Tenants of whom none is hostile, that have more work than there is room for.
  private static List<FairnessSchedule> amongPeers() {
    return List.of(
        peers("8 equal tenants decode", new Kind("each", 8, share(1), 4, 10, 200)),
        peers("weights 1 to 8 decode", weights(10, 200, 1, 2, 3, 4, 5, 6, 7, 8)),
        peers("weights 1, 2, 4 decode", weights(10, 200, 1, 2, 4)),
        peers("weights 1, 2, 4 send prompts", weights(400, 1, 1, 2, 4)),
        peers("8 equal tenants, 4 to 18 streams, prompts of 60 to 340, answers of 20", appetites()),
        peers("weights 1, 2, 4, prompts of 200 and answers of 20", weights(200, 20, 1, 2, 4)),
        peers(
            "4 equal tenants decode, 4 send prompts",
            new Kind("decodes", 4, share(1), 8, 10, 200),
            new Kind("prompts", 4, share(1), 8, 400, 1)),
        peers(
            "priorities, prompts",
            new Kind("high, weight 3", 1, share(Priority.HIGH, 3), 8, 400, 1),
            new Kind("high, weight 1", 1, share(Priority.HIGH, 1), 8, 400, 1),
            new Kind("normal", 2, share(Priority.NORMAL, 1), 8, 400, 1),
            new Kind("low", 2, share(Priority.LOW, 1), 8, 400, 1)));
  }

  /// A victim with one stream beside one neighbour, polite or hostile (`reliability.md` F01–F03). Each has a quarter of
  /// places and blocks unless the name says otherwise.
  private static List<FairnessSchedule> besideOne() {
    return besideHostile("", "one polite neighbour", new Kind[0]);
  }

  /// The same beside two more that are polite.
  private static List<FairnessSchedule> besideSeveral() {
    return besideHostile(" and two polite", "three polite neighbours", politeOnes(2, 4));
  }

  /// The same where the polite ones are not held back by how few streams they have.
  private static List<FairnessSchedule> besideBusy() {
    Kind two = politeOnes(2, BUSY);
    FairnessSchedule fair =
        beside("three polite neighbours of 32 streams", politeOnes(1, BUSY), null, two);
    return List.of(
        fair, beside("F03 a hundred allowed streams and two polite of 32", hundred(), fair, two));
  }

  /// A victim that comes to its share with short questions, one as soon as the last is answered.
  static List<FairnessSchedule> askingAgain() {
    Kind victim = new Kind("victim", 1, quarter(4), 1, 10, 40, MOMENT_NANOS);
    String again = ", a victim that asks again at once";
    FairnessSchedule polite =
        beside(victim, "one polite neighbour" + again, politeOnes(1, 4), null);
    return List.of(
        polite,
        beside(victim, "F01 ten times its streams" + again, hostile(40, 100, 40), polite),
        beside(victim, "F02 the longest prompts" + again, hostile(4, 4000, 1), polite),
        beside(victim, "F03 a hundred allowed streams" + again, hundred(), polite));
  }

  private static List<FairnessSchedule> besideHostile(String besides, String fair, Kind... others) {
    FairnessSchedule polite = beside(fair, politeOnes(1, 4), null, others);
    return List.of(
        polite,
        beside("F01 ten times its streams" + besides, hostile(40, 100, 40), polite, others),
        beside("F02 the longest prompts" + besides, hostile(4, 4000, 1), polite, others),
        beside("F03 a hundred streams" + besides, hostile(100, 10, 1000), polite, others),
        beside("F03 a thousand streams" + besides, hostile(1000, 10, 1000), polite, others),
        beside("F03 a hundred allowed streams" + besides, hundred(), polite, others));
  }

  private static FairnessSchedule peers(String name, Kind... kinds) {
    return new FairnessSchedule(name, PLACES, List.of(kinds), null);
  }

  private static FairnessSchedule beside(
      String name, Kind neighbour, @Nullable FairnessSchedule polite, Kind... others) {
    Kind victim = new Kind("victim", 1, quarter(4), 1, 100, 40, REST_NANOS);
    return beside(victim, name, neighbour, polite, others);
  }

  private static FairnessSchedule beside(
      Kind victim, String name, Kind neighbour, @Nullable FairnessSchedule polite, Kind... others) {
    List<Kind> kinds = new ArrayList<>();
    kinds.add(victim);
    kinds.add(neighbour);
    kinds.addAll(List.of(others));
    boolean many = kinds.stream().anyMatch(kind -> kind.share.maxSequences() > 4);
    return new FairnessSchedule(name, many ? MANY_PLACES : PLACES, kinds, polite);
  }

  private static Kind hostile(int streams, int prompt, int answer) {
    return new Kind("hostile", 1, quarter(4), streams, prompt, answer);
  }

  private static Kind hundred() {
    return new Kind("hostile", 1, new TenantShare(1, 100, 2048, 400), 100, 10, 200);
  }

  private static Kind politeOnes(int tenants, int streams) {
    return new Kind("polite", tenants, quarter(streams), streams, 100, 40);
  }

  private static Kind[] weights(int prompt, int answer, int... weights) {
    return IntStream.of(weights)
        .mapToObj(w -> new Kind("weight " + w, 1, share(w), 16, prompt, answer))
        .toArray(Kind[]::new);
  }

  private static Kind[] appetites() {
    return IntStream.range(0, 8)
        .mapToObj(i -> new Kind("each", 1, share(1), 4 + 2 * i, 60 + 40 * i, 20))
        .toArray(Kind[]::new);
  }

  private static TenantShare share(double weight) {
    return share(Priority.NORMAL, weight);
  }

  private static TenantShare share(Priority priority, double weight) {
    return new TenantShare(priority, weight, 64, 4096, 64);
  }

  /// What a platform would give a tenant of four here.
  static TenantShare quarter(int sequences) {
    return new TenantShare(1, sequences, 1024, 64);
  }

  @Override
  public String toString() {
    return name;
  }

  /// Runs the schedule for so many simulated seconds.
  public Outcome run(double seconds) {
    SimulatedEngine engine =
        new SimulatedEngine(SimulatedEngine.sizes().maxSequences(places).build(), CONTEXT);
    List<List<EngineTenant>> tenants = new ArrayList<>();
    List<SimulatedEngine.Client> victims = new ArrayList<>();
    List<SimulatedEngine.Client> others = new ArrayList<>();
    for (Kind kind : kinds) {
      List<EngineTenant> same = new ArrayList<>();
      tenants.add(same);
      for (int i = 0; i < kind.tenants; i++) {
        EngineTenant tenant = engine.state.tenant(kind.name, kind.share);
        same.add(tenant);
        for (int s = 0; s < kind.streams; s++) {
          SimulatedEngine.Client client =
              engine.client(tenant, kind.prompt, kind.answer, kind.restNanos);
          (kind.restNanos > 0 ? victims : others).add(client);
        }
      }
    }
    engine.run(BEGIN_SECONDS);
    victims.forEach(victim -> {
      victim.firstTokenNanos.clear();
      victim.interTokenNanos.clear();
    });
    engine.run(seconds);
    return new Outcome(
        parts(engine.config, tenants),
        jain(engine.config, tenants),
        nanos(victims.stream().map(c -> c.firstTokenNanos).toList()),
        nanos(victims.stream().map(c -> c.interTokenNanos).toList()),
        refused(victims),
        refused(others));
  }

  private static int refused(List<SimulatedEngine.Client> clients) {
    return clients.stream().mapToInt(c -> c.rejections).sum();
  }

  private static long[] nanos(List<List<Long>> lists) {
    return lists.stream().flatMap(List::stream).mapToLong(Long::longValue).toArray();
  }

  /// Work received, in prompt tokens.
  private static double work(EngineConfig config, EngineTenant tenant) {
    return tenant.promptTokens + config.decodeCost() * tenant.decodedTokens;
  }

  /// The part of all work that is due to a tenant of each kind.
  private double[] due() {
    double[] due = new double[kinds.size()];
    double above = 0;
    for (int p = Priority.values().length - 1; p >= 0; p--) {
      double weights = 0;
      for (Kind kind : kinds) {
        weights += kind.share.priority().ordinal() == p ? kind.tenants * kind.share.weight() : 0;
      }
      if (weights == 0) {
        continue;
      }
      double level = above == 0 ? 1 : LOWER_PART * above;
      for (int k = 0; k < due.length; k++) {
        TenantShare share = kinds.get(k).share;
        due[k] = share.priority().ordinal() == p ? level * share.weight() / weights : due[k];
      }
      above += level;
    }
    double all = above;
    return Arrays.stream(due).map(d -> d / all).toArray();
  }

  private List<Part> parts(EngineConfig config, List<List<EngineTenant>> tenants) {
    double all =
        tenants.stream().flatMap(List::stream).mapToDouble(tenant -> work(config, tenant)).sum();
    double[] due = due();
    List<Part> parts = new ArrayList<>();
    for (int k = 0; k < due.length; k++) {
      double[] had =
          tenants.get(k).stream().mapToDouble(t -> work(config, t) / all).sorted().toArray();
      Part part = new Part(kinds.get(k).name, had.length, had[0], had[had.length - 1], due[k]);
      Part before = parts.isEmpty() ? null : parts.getLast();
      if (before != null && before.kind.equals(part.kind)) {
        parts.set(parts.size() - 1, together(before, part));
      } else {
        parts.add(part);
      }
    }
    return parts;
  }

  private static Part together(Part a, Part b) {
    return new Part(
        a.kind, a.tenants + b.tenants, Math.min(a.least, b.least), Math.max(a.most, b.most), a.due);
  }

  private @Nullable Double jain(EngineConfig config, List<List<EngineTenant>> tenants) {
    double[] due = due();
    double[] received =
        IntStream.range(0, due.length)
            .filter(k -> kinds.get(k).restNanos == 0)
            .boxed()
            .flatMapToDouble(
                k -> tenants.get(k).stream().mapToDouble(t -> work(config, t) / due[k]))
            .toArray();
    return received.length < 2 ? null : jainIndex(received);
  }

  /// Jain's index of what each received by what was due to it: 1 where all are equal, `1 / n` where one of n had all.
  public static double jainIndex(double... received) {
    double sum = DoubleStream.of(received).sum();
    double squares = DoubleStream.of(received).map(r -> r * r).sum();
    return sum * sum / (received.length * squares);
  }
}
