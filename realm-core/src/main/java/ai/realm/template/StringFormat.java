package ai.realm.template;

import org.jspecify.annotations.Nullable;

/// Python's `str.format` for positional and named fields with width, alignment and the presentation
/// types `d`, `f`, `s`. Attributes and items of fields are refused: they are how formats escape
/// sandboxes.
final class StringFormat {
  private StringFormat() {}

  static String format(String format, Arguments a, Limits limits) {
    StringBuilder out = new StringBuilder();
    int next = 0;
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      boolean doubled = i + 1 < format.length() && format.charAt(i + 1) == c;
      if ((c == '{' || c == '}') && doubled) {
        out.append(c);
        i++;
      } else if (c == '{') {
        int end = format.indexOf('}', i);
        if (end < 0) {
          throw TemplateException.value("expected '}' before end of string");
        }
        String field = format.substring(i + 1, end);
        int colon = field.indexOf(':');
        String name = colon < 0 ? field : field.substring(0, colon);
        String spec = colon < 0 ? "" : field.substring(colon + 1);
        out.append(apply(value(name.isEmpty() ? Integer.toString(next++) : name, a), spec, limits));
        i = end;
      } else if (c == '}') {
        throw TemplateException.value("Single '}' encountered in format string");
      } else {
        out.append(c);
      }
      limits.size(out.length());
    }
    return out.toString();
  }

  private static @Nullable Object value(String name, Arguments a) {
    if (!name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9') && name.length() < 6) {
      int index = Integer.parseInt(name);
      if (index >= a.positional().size()) {
        throw TemplateException.value("Replacement index " + index + " out of range");
      }
      return a.positional().get(index);
    }
    if (!a.named().containsKey(name)) {
      throw TemplateException.value("format: expected an argument " + name);
    }
    return a.named().get(name);
  }

  private static String apply(@Nullable Object v, String spec, Limits limits) {
    if (spec.isEmpty()) {
      return Values.string(v, limits);
    }
    int i = 0;
    char align = Numbers.isNumber(v) ? '>' : '<';
    String fill = " ";
    if (spec.length() > 1 && "<>^".indexOf(spec.charAt(1)) >= 0) {
      fill = spec.substring(0, 1);
      align = spec.charAt(1);
      i = 2;
    } else if ("<>^".indexOf(spec.charAt(0)) >= 0) {
      align = spec.charAt(0);
      i = 1;
    }
    if (i < spec.length() && spec.charAt(i) == '0') {
      fill = "0";
      i++;
    }
    int width = 0;
    while (i < spec.length() && Character.isDigit(spec.charAt(i))) {
      width = Math.min(10_000, width * 10 + spec.charAt(i++) - '0');
    }
    boolean grouped = i < spec.length() && spec.charAt(i) == ',';
    i += grouped ? 1 : 0;
    int precision = -1;
    if (i < spec.length() && spec.charAt(i) == '.') {
      i++;
      precision = 0;
      while (i < spec.length() && Character.isDigit(spec.charAt(i))) {
        precision = Math.min(1000, precision * 10 + spec.charAt(i++) - '0');
      }
    }
    String kind = spec.substring(i);
    String plain =
        switch (kind) {
          case "f", "F" -> PercentFormat.fixed(Numbers.number(v), precision < 0 ? 6 : precision);
          case "d" -> Long.toString(Numbers.integer(v));
          case "x" -> Long.toString(Numbers.integer(v), 16);
          case "%" ->
              PercentFormat.fixed(100 * Numbers.number(v), precision < 0 ? 6 : precision) + "%";
          case "", "s" -> Values.string(v, limits);
          default -> throw TemplateException.value("unknown format code '" + kind + "'");
        };
    String text = grouped ? grouped(plain) : plain;
    int margin = Math.max(0, width - text.length());
    int left = align == '>' ? margin : align == '^' ? margin / 2 : 0;
    return fill.repeat(left) + text + fill.repeat(margin - left);
  }

  /// With commas between thousands.
  private static String grouped(String number) {
    int first = number.startsWith("-") ? 1 : 0;
    int point = number.indexOf('.');
    StringBuilder out = new StringBuilder(number);
    for (int i = (point < 0 ? number.length() : point) - 3; i > first; i -= 3) {
      out.insert(i, ',');
    }
    return out.toString();
  }
}
