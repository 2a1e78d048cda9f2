package ai.realm.template;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Python's `format % arguments`, as the `format` filter uses it: `%s %r %d %i %f %x %%` with flags,
/// width and precision.
final class PercentFormat {
  private static final int MAX_WIDTH = 10_000;

  private PercentFormat() {}

  static String format(String format, List<@Nullable Object> arguments, Limits limits) {
    StringBuilder out = new StringBuilder();
    int used = 0;
    int i = 0;
    while (i < format.length()) {
      char c = format.charAt(i++);
      if (c != '%') {
        out.append(c);
        continue;
      }
      Object named = null;
      boolean byName = i < format.length() && format.charAt(i) == '(';
      if (byName) {
        int end = format.indexOf(')', i);
        if (end < 0 || !(arguments.getFirst() instanceof Map<?, ?> map)) {
          throw TemplateException.value("expected %(name) and a mapping");
        }
        named = map.get(format.substring(i + 1, end));
        used = 1;
        i = end + 1;
      }
      boolean left = false;
      boolean zero = false;
      boolean plus = false;
      while (i < format.length() && "-0+ #".indexOf(format.charAt(i)) >= 0) {
        char flag = format.charAt(i++);
        left |= flag == '-';
        zero |= flag == '0';
        plus |= flag == '+';
      }
      int width = 0;
      while (i < format.length() && Character.isDigit(format.charAt(i))) {
        width = Math.min(MAX_WIDTH, width * 10 + format.charAt(i++) - '0');
      }
      int precision = -1;
      if (i < format.length() && format.charAt(i) == '.') {
        i++;
        precision = 0;
        while (i < format.length() && Character.isDigit(format.charAt(i))) {
          precision = Math.min(MAX_WIDTH, precision * 10 + format.charAt(i++) - '0');
        }
      }
      if (i >= format.length()) {
        throw TemplateException.value("incomplete format");
      }
      char kind = format.charAt(i++);
      if (kind == '%') {
        out.append('%');
        continue;
      }
      if (!byName && used >= arguments.size()) {
        throw TemplateException.value("not enough arguments for format string");
      }
      pad(
          convert(kind, byName ? named : arguments.get(used++), precision, plus, limits),
          width,
          left,
          zero,
          out);
      limits.size(out.length());
    }
    if (used < arguments.size()) {
      throw TemplateException.value("not all arguments converted during string formatting");
    }
    return out.toString();
  }

  private static String convert(
      char kind, @Nullable Object v, int precision, boolean plus, Limits limits) {
    return switch (kind) {
      case 'c' -> v instanceof String s ? s : Character.toString((int) Numbers.integer(v));
      case 's' -> cut(Values.string(v, limits), precision);
      case 'r' -> cut(Values.repr(v, limits), precision);
      case 'd', 'i' -> signed(Long.toString((long) Numbers.number(v)), plus);
      case 'x' -> Long.toHexString(Numbers.integer(v));
      case 'f' -> signed(fixed(Numbers.number(v), precision < 0 ? 6 : precision), plus);
      default -> throw TemplateException.value("unsupported format character '" + kind + "'");
    };
  }

  /// A number with a fixed count of decimals, half to even on its exact binary value as C does.
  static String fixed(double v, int decimals) {
    return Double.isFinite(v)
        ? new BigDecimal(v).setScale(decimals, RoundingMode.HALF_EVEN).toPlainString()
        : Values.floatString(v);
  }

  private static String cut(String s, int precision) {
    return precision >= 0 && precision < s.length() ? s.substring(0, precision) : s;
  }

  private static String signed(String s, boolean plus) {
    return plus && !s.startsWith("-") ? "+" + s : s;
  }

  private static void pad(String s, int width, boolean left, boolean zero, StringBuilder out) {
    String fill = (zero && !left ? "0" : " ").repeat(Math.max(0, width - s.length()));
    if (left) {
      out.append(s).append(fill);
    } else if (zero && s.startsWith("-")) {
      out.append('-').append(fill).append(s, 1, s.length());
    } else {
      out.append(fill).append(s);
    }
  }
}
