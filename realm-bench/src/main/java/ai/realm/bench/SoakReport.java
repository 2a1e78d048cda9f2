package ai.realm.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToLongFunction;

/// What a soak showed.
///
/// @param before what was held before the load, after all of it had been done once
/// @param samples during the load, in quiet moments
/// @param after what is held when the load is closed
/// @param ends how each actor's acts ended
/// @param failures what should not have happened
record SoakReport(
    SoakSample before,
    List<SoakSample> samples,
    SoakSample after,
    Map<String, Map<String, Long>> ends,
    List<String> failures) {
  /// The most that live heap and resident memory may drift.
  private static final double MOST_DRIFT = 0.01;

  /// Fewer say nothing of a drift.
  private static final int LEAST_SAMPLES = 32;

  private static final double MIB = 1 << 20;

  SoakReport {
    samples = List.copyOf(samples);
    failures = List.copyOf(failures);
  }

  /// Why the soak failed; empty where it passed.
  List<String> verdict() {
    List<String> found = new ArrayList<>(failures);
    ends.forEach((actor, how) -> {
      if (how.isEmpty()) {
        found.add(actor + ": did nothing");
      }
    });
    leftOver(found, "descriptors", SoakSample::descriptors);
    leftOver(found, "threads, now " + ProcessState.ownThreads() + ",", SoakSample::threads);
    leftOver(found, "files", SoakSample::files);
    if (samples.size() >= LEAST_SAMPLES) {
      drifted(found, "live heap", SoakSample::heapBytes);
      drifted(found, "resident memory", SoakSample::residentBytes);
      drifted(found, "descriptors of a worker", sample -> sample.worker().descriptors());
    }
    return found;
  }

  private void leftOver(List<String> found, String what, ToLongFunction<SoakSample> of) {
    if (of.applyAsLong(after) > of.applyAsLong(before)) {
      found.add(
          "%s: expected %d once the load is closed, found %d"
              .formatted(what, of.applyAsLong(before), of.applyAsLong(after)));
    }
  }

  private void drifted(List<String> found, String what, ToLongFunction<SoakSample> of) {
    double drift = drift(of);
    if (drift > MOST_DRIFT) {
      found.add(
          String.format(
              Locale.ROOT,
              "%s: expected at most %.0f %% more in the last quarter than in the second, found %.2f %%",
              what,
              100 * MOST_DRIFT,
              100 * drift));
    }
  }

  /// How much more the last quarter's median is than that of the second; the first is the warm-up.
  double drift(ToLongFunction<SoakSample> of) {
    return median(3, of) / median(1, of) - 1;
  }

  /// The median of a quarter of the samples.
  private double median(int quarter, ToLongFunction<SoakSample> of) {
    int n = samples.size();
    long[] values =
        samples
            .subList(n * quarter / 4, Math.max(n * (quarter + 1) / 4, n * quarter / 4 + 1))
            .stream()
            .mapToLong(of)
            .sorted()
            .toArray();
    int middle = values.length / 2;
    return values.length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
  }

  static String line(SoakSample s) {
    return String.format(
        Locale.ROOT,
        "| %d | %.2f | %.2f | %.1f | %d | %d | %d | %.1f | %d |",
        s.seconds(),
        s.heapBytes() / MIB,
        s.otherBytes() / MIB,
        s.residentBytes() / MIB,
        s.descriptors(),
        s.threads(),
        s.files(),
        s.worker().residentBytes() / MIB,
        s.worker().descriptors());
  }

  private static String head(String first) {
    return "| "
        + first
        + " | live heap MiB | classes and code MiB | resident MiB | descriptors | threads"
        + " | files left | worker resident MiB | worker descriptors |\n"
        + "|---".repeat(9)
        + "|";
  }

  static String head() {
    return head("seconds");
  }

  /// Two tables: what was held, and what was done.
  String table() {
    StringBuilder table = new StringBuilder();
    table.append(head("")).append('\n');
    row(table, "before", before);
    for (int quarter = 0; quarter < 4 && samples.size() >= 4; quarter++) {
      table.append(
          String.format(
              Locale.ROOT,
              "| median of quarter %d | %.2f | %.2f | %.1f | %.0f | %.0f | %.0f | %.1f | %.0f |%n",
              quarter + 1,
              median(quarter, SoakSample::heapBytes) / MIB,
              median(quarter, SoakSample::otherBytes) / MIB,
              median(quarter, SoakSample::residentBytes) / MIB,
              median(quarter, SoakSample::descriptors),
              median(quarter, SoakSample::threads),
              median(quarter, SoakSample::files),
              median(quarter, sample -> sample.worker().residentBytes()) / MIB,
              median(quarter, sample -> sample.worker().descriptors())));
    }
    row(table, "closed", after);
    if (samples.size() >= LEAST_SAMPLES) {
      table.append(
          String.format(
              Locale.ROOT,
              "%nfrom the second quarter to the last: live heap %+.2f %%, resident %+.2f %%%n",
              100 * drift(SoakSample::heapBytes),
              100 * drift(SoakSample::residentBytes)));
    }
    table.append("\n| actor | acts and how they ended |\n|---|---|\n");
    ends.forEach((actor, how) -> table.append("| %s | %s |%n".formatted(actor, how)));
    return table.toString();
  }

  private static void row(StringBuilder to, String name, SoakSample sample) {
    String line = line(sample);
    to.append("| ").append(name).append(line, line.indexOf('|', 1) - 1, line.length()).append('\n');
  }
}
