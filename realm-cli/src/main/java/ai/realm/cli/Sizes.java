package ai.realm.cli;

import java.util.Locale;

/// Byte counts as people read them.
final class Sizes {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

  private Sizes() {}

  /// `5557856` as `5.3 MiB`.
  static String of(long bytes) {
    double size = bytes;
    int unit = 0;
    while (size >= 1024 && unit < UNITS.length - 1) {
      size /= 1024;
      unit++;
    }
    return unit == 0 ? bytes + " B" : String.format(Locale.ROOT, "%.1f %s", size, UNITS[unit]);
  }

  /// `5180672` as `5.2 M`.
  static String count(long n) {
    if (n < 10_000) {
      return Long.toString(n);
    }
    double size = n / 1e6;
    return size < 1000
        ? String.format(Locale.ROOT, "%.1f M", size)
        : String.format(Locale.ROOT, "%.2f B", size / 1000);
  }
}
