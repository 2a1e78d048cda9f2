package ai.realm.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

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

  /// Reads `65536`, `64K`, `512M` or `4G`, where K is 1024.
  static final class Bytes implements ITypeConverter<Long> {
    private static final Pattern SIZE = Pattern.compile("(\\d{1,9})([KMG]?)(i?B)?");

    @Override
    public Long convert(String text) {
      Matcher size = SIZE.matcher(text);
      if (!size.matches()) {
        throw new TypeConversionException(
            "expected a number of bytes such as 65536, 512M or 4G, found '%s'".formatted(text));
      }
      int shift =
          switch (size.group(2)) {
            case "K" -> 10;
            case "M" -> 20;
            case "G" -> 30;
            default -> 0;
          };
      return Long.parseLong(size.group(1)) << shift;
    }
  }
}
