package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.error.RealmException;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.Isolation;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.RealmPolicy;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.runtime.TenantId;
import ai.realm.wasm.DefaultGuest;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// What one tenant feels of another that misbehaves (cases F01 to F06): times to its first token and between
/// tokens, alone, beside a polite tenant that keeps its four sequences busy (the fair share), and beside each
/// hostile one. Each tenant may have four calls at once, but in the case that
/// says so.
///
/// Neighbours are threads of this process, so what their clients do costs the cores that compute: a hundred
/// that come again 2 ms after each refusal wake 48,000 times a second.
///
/// usage: `NeighboursBench [--format table|json] [--only F01,…] [--refused-pause MILLIS] [MODEL [SECONDS]]`
public final class NeighboursBench {
  private static final TenantId VICTIM = new TenantId("victim");
  private static final TenantId OTHER = new TenantId("other");
  private static final String PROMPT = "Tell me a story about a fox.";
  private static final String CONFIG = "{\"max_tokens\":64,\"min_tokens\":64}";
  private static final int SEQUENCES = 200;

  /// Calls, and sequences, that a tenant may have at once.
  private static final int ALLOWED = 4;

  private static final int CONTEXT = 512;

  private final Path model;
  private final Backend backend;
  private final long nanos;
  private final long refusedPauseNanos;

  /// @param refusedPauseMillis after which a client that was refused comes again
  private NeighboursBench(Path model, Backend backend, int seconds, int refusedPauseMillis) {
    this.model = model;
    this.backend = backend;
    this.nanos = TimeUnit.SECONDS.toNanos(seconds);
    this.refusedPauseNanos = TimeUnit.MILLISECONDS.toNanos(refusedPauseMillis);
  }

  /// A neighbour: calls that it makes at once, how many of them it may, and what each does again and again.
  private record Neighbour(String name, int calls, int allowed, Act act) {
    Neighbour(String name, int calls, Act act) {
      this(name, calls, ALLOWED, act);
    }
  }

  /// One thing that a neighbour does; what it is refused or killed for is its own affair.
  private interface Act {
    void run(MultiRealmManager realms, int caller, long round);
  }

  /// Prints a Markdown table or JSON.
  public static void main(String[] args) throws InterruptedException {
    run(args, System.out);
  }

  static void run(String[] args, PrintStream out) throws InterruptedException {
    List<String> positional = new ArrayList<>(List.of(args));
    String format = takeOption(positional, "--format", "table");
    List<String> only = List.of(takeOption(positional, "--only", "").split(",", -1));
    int refusedPause = Integer.parseInt(takeOption(positional, "--refused-pause", "10"));
    Path model =
        Path.of(positional.isEmpty() ? "models/realm-sample-q8_0.gguf" : positional.getFirst());
    int seconds = positional.size() > 1 ? Integer.parseInt(positional.get(1)) : 10;
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend()) {
      NeighboursBench bench = new NeighboursBench(model, backend, seconds, refusedPause);
      bench.measure(new Neighbour("warm-up", 1, NeighboursBench::generate));
      BenchOutput output = new BenchOutput(out, BenchOutput.Format.of(format));
      output.line(
          "%s, %s, Java %s, %d s each, refused clients come again after %d ms"
              .formatted(
                  model.getFileName(),
                  backend.description(),
                  Runtime.version(),
                  seconds,
                  refusedPause));
      output.line("");
      output.line(
          "| neighbour | victim's tokens | first token p50, p99 ms | between tokens p50, p99 ms |"
              + " p99 beside the polite one's: first, between | victim's errors |");
      output.line("|---|---|---|---|---|---|");
      List<Row> rows = new ArrayList<>();
      Result alone = bench.measure(new Neighbour("alone", 0, NeighboursBench::generate));
      Result polite = bench.measure(new Neighbour("polite", 4, NeighboursBench::generate));
      rows.add(print(output, "none", alone, polite));
      rows.add(print(output, "polite: four sequences at work", polite, polite));
      for (Neighbour neighbour : hostile()) {
        if (only.stream().anyMatch(neighbour.name()::startsWith)) {
          rows.add(print(output, neighbour.name(), bench.measure(neighbour), polite));
        }
      }
      output.end(
          new Report(
              String.valueOf(model.getFileName()),
              backend.description(),
              Runtime.version().toString(),
              seconds,
              refusedPause,
              rows));
    }
  }

  /// The value of an option, which is taken out of the list with it.
  private static String takeOption(List<String> from, String option, String absent) {
    int at = from.indexOf(option);
    if (at < 0) {
      return absent;
    }
    from.remove(at);
    if (at == from.size()) {
      throw new IllegalArgumentException(option + ": expected a value, found none");
    }
    return from.remove(at);
  }

  /// What JSON is made of.
  record Report(
      String model,
      String backend,
      String java,
      int secondsEach,
      int refusedPauseMillis,
      List<Row> results) {}

  /// One line.
  ///
  /// @param tokens of the victim
  /// @param firstTokenBesidePolite p99 as a multiple of that beside the polite neighbour
  /// @param errors of the victim
  record Row(
      String neighbour,
      long tokens,
      @Nullable Percentiles firstToken,
      @Nullable Percentiles betweenTokens,
      @Nullable Double firstTokenBesidePolite,
      @Nullable Double betweenTokensBesidePolite,
      long errors) {}

  private static List<Neighbour> hostile() {
    String longest = "fox ".repeat(400);
    return List.of(
        new Neighbour("F01 flood: 40 calls at once", 40, NeighboursBench::generate),
        new Neighbour(
            "F02 prompts of the greatest length",
            4,
            (realms, caller, round) ->
                call(realms, round + longest, "{\"raw\":true,\"max_tokens\":1}")),
        new Neighbour("F03 a hundred streams", 100, NeighboursBench::generate),
        new Neighbour("F03 a hundred streams, allowed", 100, 100, NeighboursBench::generate),
        new Neighbour(
            "F04 spinner, in a worker",
            1,
            (realms, caller, round) -> guest(realms, round, HostileGuests.spinner())),
        new Neighbour(
            "F05 allocator, in a worker",
            1,
            (realms, caller, round) -> guest(realms, round, HostileGuests.allocator())),
        new Neighbour(
            "F06 compile bombs, in a worker",
            1,
            (realms, caller, round) -> realms.deploy(OTHER, HostileGuests.bomb(round))));
  }

  private static void generate(MultiRealmManager realms, int caller, long round) {
    call(realms, PROMPT, CONFIG);
  }

  private static void call(MultiRealmManager realms, String prompt, String config) {
    realms.generate(OTHER, "model", prompt, config, text -> {});
  }

  private static void guest(MultiRealmManager realms, long round, byte[] wasm) {
    if (round == 0) {
      realms.deploy(OTHER, wasm);
    }
    call(realms, PROMPT, CONFIG);
  }

  // ---- measuring --------------------------------------------------------------------------------

  private record Result(long[] first, long[] between, long errors) {}

  private Result measure(Neighbour neighbour) throws InterruptedException {
    RuntimeConfig config =
        RuntimeConfig.builder(backend)
            .model("model", model)
            .maxContext(CONTEXT)
            .sequences(SEQUENCES)
            .memory64Bytes(0)
            .limits(GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(2)))
            .build();
    TokenTimes times = new TokenTimes();
    AtomicLong errors = new AtomicLong();
    AtomicBoolean over = new AtomicBoolean();
    List<Thread> threads = new ArrayList<>();
    try (MultiRealmManager realms = new MultiRealmManager(config, DefaultGuest.bytes())) {
      GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(2));
      realms.create(VICTIM, policy(limits, ALLOWED).withIsolation(Isolation.inProcess()));
      realms.create(
          OTHER,
          policy(limits, neighbour.allowed())
              .withFallback(false)
              .withBreaker(Integer.MAX_VALUE, Duration.ofSeconds(1))
              .withIsolation(Isolation.worker()));
      realms.generate(VICTIM, "model", PROMPT, CONFIG, text -> {});
      for (int i = 0; i < neighbour.calls(); i++) {
        int caller = i;
        Thread thread = new Thread(() -> repeat(neighbour, realms, caller, over));
        thread.setDaemon(true);
        thread.start();
        threads.add(thread);
      }
      Thread.sleep(500);
      long end = System.nanoTime() + nanos;
      while (System.nanoTime() < end) {
        times.begin();
        try {
          realms.generate(VICTIM, "model", PROMPT, CONFIG, times);
        } catch (RealmException e) {
          errors.incrementAndGet();
        }
      }
      over.set(true);
      for (Thread thread : threads) {
        thread.join(5000);
      }
    }
    return new Result(times.first().toArray(), times.between().toArray(), errors.get());
  }

  private static RealmPolicy policy(GuestLimits guest, int atOnce) {
    return RealmPolicy.of(
        ResourceLimits.builder()
            .guest(guest)
            .maxConcurrentCalls(atOnce)
            .maxSequences(atOnce)
            .maxQueuedSteps(16 * atOnce)
            .build());
  }

  private void repeat(
      Neighbour neighbour, MultiRealmManager realms, int caller, AtomicBoolean over) {
    for (long round = 0; !over.get(); round++) {
      try {
        neighbour.act().run(realms, caller, round);
      } catch (RealmException e) {
        // What it is there for.
        LockSupport.parkNanos(refusedPauseNanos);
      }
    }
  }

  private static Row print(BenchOutput output, String name, Result result, Result polite) {
    Percentiles first = Percentiles.of(result.first());
    Percentiles between = Percentiles.of(result.between());
    Row row =
        new Row(
            name,
            result.first().length + result.between().length,
            first,
            between,
            Percentiles.ratio(first, Percentiles.of(polite.first())),
            Percentiles.ratio(between, Percentiles.of(polite.between())),
            result.errors());
    output.line(
        "| %s | %d | %s | %s | %s, %s | %d |"
            .formatted(
                name,
                row.tokens(),
                Percentiles.cell(row.firstToken()),
                Percentiles.cell(row.betweenTokens()),
                cell(row.firstTokenBesidePolite()),
                cell(row.betweenTokensBesidePolite()),
                row.errors()));
    return row;
  }

  private static String cell(@Nullable Double ratio) {
    return ratio == null ? "-" : String.format(Locale.ROOT, "%.2f", ratio);
  }
}
