package ai.realm.bench;

import java.util.Arrays;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Two percentiles of measured times.
record Percentiles(double p50Millis, double p99Millis) {
  /// Of times in nanoseconds; null where there are none.
  static @Nullable Percentiles of(long[] nanos) {
    long[] sorted = nanos.clone();
    Arrays.sort(sorted);
    return sorted.length == 0 ? null : new Percentiles(at(sorted, 0.5), at(sorted, 0.99));
  }

  private static double at(long[] sorted, double quantile) {
    return sorted[(int) ((sorted.length - 1) * quantile)] / 1e6;
  }

  /// Both, for a table.
  static String cell(@Nullable Percentiles of) {
    return of == null ? "-" : String.format(Locale.ROOT, "%.2f, %.2f", of.p50Millis, of.p99Millis);
  }

  /// How many times another's p99 the one is; null where one is missing.
  static @Nullable Double ratio(@Nullable Percentiles one, @Nullable Percentiles other) {
    return one == null || other == null ? null : one.p99Millis / other.p99Millis;
  }
}
