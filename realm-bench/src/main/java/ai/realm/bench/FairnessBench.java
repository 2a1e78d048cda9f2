package ai.realm.bench;

import ai.realm.engine.FairnessSchedule;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// What tenants get of the scheduler, in simulated time: the part of the work that each kind of tenant had beside what
/// was due to it, Jain's index, and what a victim feels of a hostile neighbour. The clock is the simulator's: the
/// figures are the same on every machine.
///
/// usage: `FairnessBench [--format table|json] [--seconds SIMULATED]`
public final class FairnessBench {
  /// What must be reached.
  private static final double LEAST_JAIN = 0.95;

  private static final double MOST_STRETCH = 1.5;

  private FairnessBench() {}

  /// What JSON is made of.
  record Report(double simulatedSeconds, double leastJain, double mostStretch, List<Row> results) {}

  /// One line.
  ///
  /// @param firstToken of the victim; null where there is none
  /// @param firstTokenBesidePolite p99 as a multiple of that with a polite tenant in the hostile one's place
  record Row(
      String schedule,
      List<FairnessSchedule.Part> parts,
      @Nullable Double jain,
      @Nullable Percentiles firstToken,
      @Nullable Percentiles betweenTokens,
      @Nullable Double firstTokenBesidePolite,
      @Nullable Double betweenTokensBesidePolite,
      int refused) {}

  /// Prints a Markdown table or JSON.
  public static void main(String[] args) {
    run(args, System.out);
  }

  static void run(String[] args, PrintStream out) {
    BenchOutput.Format format = BenchOutput.Format.TABLE;
    double seconds = 300;
    for (int i = 0; i < args.length; i += 2) {
      if (i + 1 == args.length) {
        throw new IllegalArgumentException(args[i] + ": expected a value, found none");
      }
      switch (args[i]) {
        case "--format" -> format = BenchOutput.Format.of(args[i + 1]);
        case "--seconds" -> seconds = Double.parseDouble(args[i + 1]);
        default ->
            throw new IllegalArgumentException("expected --format or --seconds, found " + args[i]);
      }
    }
    if (!(seconds > 0)) {
      throw new IllegalArgumentException("--seconds: expected above 0, found " + seconds);
    }
    BenchOutput output = new BenchOutput(out, format);
    output.line(
        "| schedule | tenants: % of the work (due) | Jain's index | victim's first token p50, p99 ms |"
            + " between tokens p50, p99 ms | p99 beside the polite one's: first, between |");
    output.line("|---|---|---|---|---|---|");
    List<Row> rows = new ArrayList<>();
    Map<FairnessSchedule, Row> done = new HashMap<>();
    for (FairnessSchedule schedule : FairnessSchedule.all()) {
      Row row = measure(schedule, seconds, done.get(schedule.polite()));
      done.put(schedule, row);
      rows.add(row);
      print(output, row);
    }
    output.end(new Report(seconds, LEAST_JAIN, MOST_STRETCH, rows));
  }

  private static Row measure(FairnessSchedule schedule, double seconds, @Nullable Row polite) {
    FairnessSchedule.Outcome outcome = schedule.run(seconds);
    Percentiles first = Percentiles.of(outcome.firstTokenNanos());
    Percentiles between = Percentiles.of(outcome.betweenTokensNanos());
    return new Row(
        schedule.name(),
        outcome.parts(),
        outcome.jain(),
        first,
        between,
        polite == null ? null : Percentiles.ratio(first, polite.firstToken()),
        polite == null ? null : Percentiles.ratio(between, polite.betweenTokens()),
        outcome.refused());
  }

  private static void print(BenchOutput output, Row row) {
    Double first = row.firstTokenBesidePolite();
    Double between = row.betweenTokensBesidePolite();
    output.line(
        "| %s | %s | %s | %s | %s | %s |"
            .formatted(
                row.schedule(),
                row.parts().stream().map(FairnessBench::cell).collect(Collectors.joining("; ")),
                cell(row.jain(), "%.4f", row.jain() != null && row.jain() < LEAST_JAIN),
                Percentiles.cell(row.firstToken()),
                Percentiles.cell(row.betweenTokens()),
                first == null && between == null ? "-" : stretch(first) + ", " + stretch(between)));
  }

  private static String stretch(@Nullable Double ratio) {
    return cell(ratio, "%.2f", ratio != null && ratio > MOST_STRETCH);
  }

  private static String cell(@Nullable Double figure, String format, boolean misses) {
    return figure == null
        ? "-"
        : String.format(Locale.ROOT, format, figure) + (misses ? " (missed)" : "");
  }

  /// `each 12.4 to 12.6 (12.5)`.
  private static String cell(FairnessSchedule.Part part) {
    String least = percent(part.least());
    String most = percent(part.most());
    return "%s%s %s (%s)"
        .formatted(
            part.tenants() > 1 && !part.kind().equals("each") ? part.tenants() + " " : "",
            part.kind(),
            least.equals(most) ? least : least + " to " + most,
            percent(part.due()));
  }

  private static String percent(double part) {
    return String.format(Locale.ROOT, "%.1f", 100 * part);
  }
}
