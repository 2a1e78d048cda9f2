package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.engine.FairnessSchedule;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.RealmStatus;
import ai.realm.runtime.TenantId;
import ai.realm.runtime.Usage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/// What each of three tenants of equal weight gets of the engine while all have work all of the time: two that
/// keep a number of sequences busy and a [Neighbour]. Few sequences may want less than the third that is their
/// tenant's: a sequence has one token a step, and what they leave is the neighbour's.
final class NeighbourShares {
  private static final List<TenantId> STEADY =
      List.of(new TenantId("steady-1"), new TenantId("steady-2"));

  /// What the scheduler charges for a decoded token; one of a prompt is 1.
  private static final long DECODED = 4;

  private static final long SETTLE_MILLIS = 1000;

  private NeighbourShares() {}

  /// One line.
  ///
  /// @param sequences of each of the two
  /// @param shares of the work, by tenant, the neighbour last; prompt tokens that were found in a cache count as
  ///     well
  /// @param jain Jain's index of all three
  record Row(String neighbour, int sequences, List<Double> shares, double jain) {
    String line() {
      String parts =
          shares.stream()
              .map(share -> String.format(Locale.ROOT, "%.1f", 100 * share))
              .collect(Collectors.joining(", "));
      return String.format(
          Locale.ROOT, "| %s | %d | %s | %.4f |", neighbour, sequences, parts, jain);
    }
  }

  static Row measure(
      Path model, Backend backend, Neighbour neighbour, int sequences, long nanos, long pauseNanos)
      throws InterruptedException {
    try (Neighbourhood place = new Neighbourhood(model, backend)) {
      MultiRealmManager realms = place.realms();
      for (TenantId tenant : STEADY) {
        place.create(tenant, sequences);
        for (int i = 0; i < sequences; i++) {
          place.repeat(
              () ->
                  realms.generate(tenant, "model", Neighbour.PROMPT, Neighbour.CONFIG, text -> {}),
              pauseNanos);
        }
      }
      place.start(neighbour, pauseNanos);
      Thread.sleep(SETTLE_MILLIS);
      List<Long> before = work(realms);
      TimeUnit.NANOSECONDS.sleep(nanos);
      List<Long> after = work(realms);
      List<Long> done = new ArrayList<>();
      for (int i = 0; i < after.size(); i++) {
        done.add(after.get(i) - before.get(i));
      }
      double all = done.stream().mapToLong(Long::longValue).sum();
      return new Row(
          neighbour.name(),
          sequences,
          done.stream().map(part -> part / all).toList(),
          FairnessSchedule.jainIndex(done.stream().mapToDouble(Long::doubleValue).toArray()));
    }
  }

  /// By tenant, the neighbour last.
  private static List<Long> work(MultiRealmManager realms) {
    return realms.status().stream()
        .sorted(
            Comparator.comparing((RealmStatus status) ->
                status.tenant().equals(Neighbour.TENANT)
                    ? Integer.MAX_VALUE
                    : STEADY.indexOf(status.tenant())))
        .map(status -> work(status.usage()))
        .toList();
  }

  private static long work(Usage usage) {
    return usage.promptTokens() + DECODED * usage.newTokens();
  }
}
