package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.error.RealmException;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.TenantId;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// What one tenant feels of another that misbehaves (cases F01 to F06): times to its first token and between
/// tokens, alone, beside a polite tenant that keeps its four sequences busy (the fair share), and beside each
/// hostile one. Each tenant may have four calls at once, but in the case that
/// says so. Then what each of three tenants gets that all have work ([NeighbourShares]).
///
/// Neighbours are threads of this process, so what their clients do costs the cores that compute: a hundred
/// that come again 2 ms after each refusal wake 48,000 times a second.
///
/// usage: `NeighboursBench [--format table|json] [--only F01,…] [--refused-pause MILLIS] [MODEL [SECONDS]]`
public final class NeighboursBench {
  private static final TenantId VICTIM = new TenantId("victim");
  private static final Neighbour POLITE =
      Neighbour.polite("polite: four sequences at work", Neighbour.ALLOWED);

  /// Of each of two tenants that share the engine with a neighbour.
  private static final List<Integer> STEADY_SEQUENCES = List.of(Neighbour.ALLOWED, 32);

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
      bench.measure(Neighbour.polite("warm-up", 1));
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
      Result alone = bench.measure(Neighbour.polite("alone", 0));
      Result polite = bench.measure(POLITE);
      rows.add(print(output, "none", alone, polite));
      rows.add(print(output, POLITE.name(), polite, polite));
      List<Neighbour> hostile = new ArrayList<>(Neighbour.greedy());
      hostile.addAll(Neighbour.withGuests());
      for (Neighbour neighbour : hostile) {
        if (isWanted(only, neighbour)) {
          rows.add(print(output, neighbour.name(), bench.measure(neighbour), polite));
        }
      }
      List<NeighbourShares.Row> shares = bench.shares(output, only);
      output.end(
          new Report(
              String.valueOf(model.getFileName()),
              backend.description(),
              Runtime.version().toString(),
              seconds,
              refusedPause,
              rows,
              shares));
    }
  }

  private static boolean isWanted(List<String> only, Neighbour neighbour) {
    return only.stream().anyMatch(neighbour.name()::startsWith);
  }

  /// The second table.
  private List<NeighbourShares.Row> shares(BenchOutput output, List<String> only)
      throws InterruptedException {
    output.line("");
    output.line(
        "| beside two tenants that are always at work | sequences of each | % of the work: they, it |"
            + " Jain's index |");
    output.line("|---|---|---|---|");
    List<Neighbour> neighbours = new ArrayList<>(List.of(POLITE));
    Neighbour.greedy().stream().filter(n -> isWanted(only, n)).forEach(neighbours::add);
    List<NeighbourShares.Row> rows = new ArrayList<>();
    for (int sequences : STEADY_SEQUENCES) {
      for (Neighbour neighbour : neighbours) {
        NeighbourShares.Row row =
            NeighbourShares.measure(model, backend, neighbour, sequences, nanos, refusedPauseNanos);
        output.line(row.line());
        rows.add(row);
      }
    }
    return rows;
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
      List<Row> results,
      List<NeighbourShares.Row> shares) {}

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

  // ---- measuring --------------------------------------------------------------------------------

  private record Result(long[] first, long[] between, long errors) {}

  private Result measure(Neighbour neighbour) throws InterruptedException {
    TokenTimes times = new TokenTimes();
    AtomicLong errors = new AtomicLong();
    try (Neighbourhood place = new Neighbourhood(model, backend)) {
      MultiRealmManager realms = place.realms();
      place.create(VICTIM, Neighbour.ALLOWED);
      realms.generate(VICTIM, "model", Neighbour.PROMPT, Neighbour.CONFIG, text -> {});
      place.start(neighbour, refusedPauseNanos);
      Thread.sleep(500);
      long end = System.nanoTime() + nanos;
      while (System.nanoTime() < end) {
        times.begin();
        try {
          realms.generate(VICTIM, "model", Neighbour.PROMPT, Neighbour.CONFIG, times);
        } catch (RealmException e) {
          errors.incrementAndGet();
        }
      }
    }
    return new Result(times.first().toArray(), times.between().toArray(), errors.get());
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
