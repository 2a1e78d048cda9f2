package ai.realm.cli;

import ai.realm.compute.MachineLimits;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// The results of `realm bench` as a table for people, a table for documents, or JSON.
final class BenchReport {
  private final Console console;
  private final BenchCommand.Format format;
  private final Optional<MachineLimits> limits;
  private final List<Benchmark.Result> results = new ArrayList<>();
  private String model = "";
  private String backend = "";

  BenchReport(Console console, BenchCommand.Format format, Optional<MachineLimits> limits) {
    this.console = console;
    this.format = format;
    this.limits = limits;
  }

  void begin(String modelLine, String backendLine) {
    model = modelLine;
    backend = backendLine;
    if (format == BenchCommand.Format.JSON) {
      return;
    }
    console.line(Printable.of(model));
    console.line(backend + "; Java " + Runtime.version());
    limits.ifPresent(l ->
        console.line(
            "limits measured now: reading %.1f GB/s, int8 %.0f GOP/s, float %.0f GFLOP/s"
                .formatted(
                    l.readBytesPerSecond() / 1e9,
                    l.int8OperationsPerSecond() / 1e9,
                    l.floatOperationsPerSecond() / 1e9)));
    console.line("");
    if (format == BenchCommand.Format.MARKDOWN) {
      console.line("| run | KV | tokens/s | ± | GB/s | of limit | GOP/s | of int8 limit |");
      console.line("|---|---|---:|---:|---:|---:|---:|---:|");
    } else {
      console.line(
          "%-12s %-5s %10s %8s %8s %9s %9s %9s"
              .formatted("run", "KV", "tokens/s", "±", "GB/s", "of limit", "GOP/s", "of int8"));
    }
    console.flush();
  }

  void add(Benchmark.Result r) {
    results.add(r);
    if (format == BenchCommand.Format.JSON) {
      return;
    }
    String row =
        format == BenchCommand.Format.MARKDOWN
            ? "| %s | %s | %.2f | %.2f | %.1f | %s | %.0f | %s |"
            : "%-12s %-5s %10.2f %8.2f %8.1f %9s %9.0f %9s";
    console.line(
        row.formatted(
            r.run().title(),
            r.run().kvType(),
            r.tokensPerSecond(),
            r.spread(),
            r.bytesPerSecond() / 1e9,
            share(r.bytesPerSecond(), limits.map(MachineLimits::readBytesPerSecond)),
            r.operationsPerSecond() / 1e9,
            share(r.operationsPerSecond(), limits.map(MachineLimits::int8OperationsPerSecond))));
    console.flush();
  }

  private static String share(double value, Optional<Double> limit) {
    return limit.map(l -> String.format(Locale.ROOT, "%.0f %%", 100 * value / l)).orElse("-");
  }

  void end() {
    if (format != BenchCommand.Format.JSON) {
      return;
    }
    List<String> rows = new ArrayList<>();
    for (Benchmark.Result r : results) {
      List<String> seconds = new ArrayList<>();
      for (double s : r.seconds()) {
        seconds.add(number(s));
      }
      rows.add(
          """
              {"run": %s, "kv": "%s", "sequences": %d, "tokens": %d, "tokensPerSecond": %s, \
          "spread": %s, "bytesPerSecond": %s, "operationsPerSecond": %s, "seconds": [%s]}\
          """
              .formatted(
                  GuestSession.quote(r.run().title()),
                  r.run().kvType(),
                  r.run().sequences(),
                  r.run().tokens(),
                  number(r.tokensPerSecond()),
                  number(r.spread()),
                  number(r.bytesPerSecond()),
                  number(r.operationsPerSecond()),
                  String.join(", ", seconds)));
    }
    console.line(
        """
        {
          "model": %s,
          "backend": %s,
          "java": %s,
          "limits": %s,
          "results": [
        %s
          ]
        }\
        """
            .formatted(
                GuestSession.quote(model),
                GuestSession.quote(backend),
                GuestSession.quote(Runtime.version().toString()),
                limits
                    .map(l ->
                        "{\"readBytesPerSecond\": %s, \"int8OperationsPerSecond\": %s, \"floatOperationsPerSecond\": %s}"
                            .formatted(
                                number(l.readBytesPerSecond()),
                                number(l.int8OperationsPerSecond()),
                                number(l.floatOperationsPerSecond())))
                    .orElse("null"),
                String.join(",\n", rows)));
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.6g", value);
  }
}
