package ai.realm.template;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Jinja's filters on single values; those on sequences are [SequenceFilters]'s.
final class Filters {
  private static final Set<String> NAMES =
      Set.of(
          "abs",
          "attr",
          "capitalize",
          "center",
          "count",
          "d",
          "default",
          "e",
          "escape",
          "float",
          "forceescape",
          "format",
          "indent",
          "int",
          "length",
          "lower",
          "replace",
          "round",
          "safe",
          "string",
          "striptags",
          "title",
          "tojson",
          "trim",
          "truncate",
          "upper",
          "urlencode",
          "wordcount");

  private final Interpreter interpreter;
  private final SequenceFilters sequences;

  Filters(Interpreter interpreter) {
    this.interpreter = interpreter;
    this.sequences = new SequenceFilters(interpreter);
  }

  boolean has(String name) {
    return NAMES.contains(name) || SequenceFilters.NAMES.contains(name);
  }

  @Nullable Object apply(
      String name,
      @Nullable Object v,
      List<@Nullable Object> positional,
      Map<String, @Nullable Object> named) {
    Arguments a = new Arguments("filter " + name, positional, named);
    if (SequenceFilters.NAMES.contains(name)) {
      return sequences.apply(name, v, a);
    }
    Limits limits = interpreter.limits;
    return switch (name) {
      case "default", "d" ->
          v instanceof Undefined || (a.flag(1, "boolean", false) && !Values.truth(v))
              ? a.get(0, "default_value", "")
              : v;
      case "string" -> Values.string(v, limits);
      case "safe" -> new Values.Markup(text(v));
      case "upper" -> text(v).toUpperCase(Locale.ROOT);
      case "lower" -> text(v).toLowerCase(Locale.ROOT);
      case "capitalize" -> Methods.capitalize(text(v));
      case "title" -> title(text(v));
      case "trim" ->
          Methods.strip(
              text(v), a.get(0, "chars", null) == null ? null : a.string(0, "chars"), true, true);
      case "length", "count" -> Values.length(v);
      case "tojson" -> {
        if (a.has(0, "indent") && !a.named().containsKey("indent")) {
          Map<String, @Nullable Object> all = new LinkedHashMap<>(a.named());
          all.put("indent", a.get(0, "indent", null));
          yield Json.write(v, all, limits);
        }
        yield Json.write(v, a.named(), limits);
      }
      case "replace" ->
          new Methods(limits)
              .replace(
                  text(v),
                  Values.string(a.require(0, "old"), limits),
                  Values.string(a.require(1, "new"), limits),
                  a.get(2, "count", null) == null ? -1 : a.integer(2, "count", -1));
      case "indent" -> indent(text(v), a);
      case "int" -> toInt(v, a);
      case "float" -> toFloat(v, a);
      case "abs" ->
          v instanceof Double d ? (Object) Math.abs(d) : (Object) Math.absExact(Numbers.integer(v));
      case "round" -> round(v, a);
      case "format" -> format(text(v), a);
      case "escape", "e" -> v instanceof Values.Markup ? v : new Values.Markup(escape(text(v)));
      case "forceescape" -> new Values.Markup(escape(text(v)));
      case "striptags" -> stripTags(text(v));
      case "center" -> {
        long width = a.integer(0, "width", 80);
        limits.size(width);
        yield Methods.center(text(v), (int) Math.max(0, width), " ");
      }
      case "truncate" -> truncate(text(v), a);
      case "wordcount" -> words(text(v));
      case "urlencode" ->
          java.net.URLEncoder.encode(text(v), java.nio.charset.StandardCharsets.UTF_8)
              .replace("+", "%20")
              .replace("%2F", "/");
      case "attr" -> interpreter.attribute(v, a.string(0, "name"));
      default -> throw TemplateException.value("No filter named '" + name + "'");
    };
  }

  private String text(@Nullable Object v) {
    return Values.string(v, interpreter.limits);
  }

  private static String title(String s) {
    StringBuilder out = new StringBuilder();
    boolean start = true;
    for (int c : s.codePoints().toArray()) {
      out.appendCodePoint(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
      start = Methods.isSpace(c) || "-({[<".indexOf(c) >= 0;
    }
    return out.toString();
  }

  private String indent(String s, Arguments a) {
    Object width = a.get(0, "width", 4L);
    String by = width instanceof String w ? w : spaces(Numbers.integer(width));
    boolean first = a.flag(1, "first", false);
    boolean blank = a.flag(2, "blank", false);
    StringBuilder out = new StringBuilder();
    String[] lines = s.split("\n", -1);
    interpreter.limits.size(s.length() + (long) lines.length * by.length());
    for (int i = 0; i < lines.length; i++) {
      out.append(i == 0 ? "" : "\n");
      if (i == 0 ? first : blank || !lines[i].isEmpty()) {
        out.append(by);
      }
      out.append(lines[i]);
    }
    return out.toString();
  }

  private String spaces(long n) {
    interpreter.limits.size(n);
    return " ".repeat((int) Math.max(0, n));
  }

  private static @Nullable Object toInt(@Nullable Object v, Arguments a) {
    Object absent = a.get(0, "default", 0L);
    try {
      return switch (v) {
        case Long n -> n;
        case Boolean b -> b ? 1L : 0L;
        case Double d -> Double.isFinite(d) ? (Object) (long) (double) d : absent;
        case String s -> parseInt(s.strip(), (int) a.integer(1, "base", 10));
        case null, default -> absent;
      };
    } catch (NumberFormatException e) {
      return absent;
    }
  }

  private static Object parseInt(String s, int base) {
    try {
      String digits = s.replace("_", "");
      boolean prefixed = base == 16 && (digits.startsWith("0x") || digits.startsWith("0X"));
      return Long.parseLong(prefixed ? digits.substring(2) : digits, base);
    } catch (NumberFormatException e) {
      return (long) Double.parseDouble(s);
    }
  }

  private static @Nullable Object toFloat(@Nullable Object v, Arguments a) {
    try {
      return v instanceof String s
          ? (Object) Double.parseDouble(s.strip())
          : Numbers.isNumber(v) ? (Object) Numbers.number(v) : a.get(0, "default", 0.0);
    } catch (NumberFormatException e) {
      return a.get(0, "default", 0.0);
    }
  }

  private static Object round(@Nullable Object v, Arguments a) {
    int precision = (int) Math.clamp(a.integer(0, "precision", 0), -20, 20);
    String method = a.string(1, "method", "common");
    java.math.RoundingMode mode =
        switch (method) {
          case "ceil" -> java.math.RoundingMode.CEILING;
          case "floor" -> java.math.RoundingMode.FLOOR;
          case "common" -> java.math.RoundingMode.HALF_EVEN;
          default -> throw TemplateException.value("method must be common, ceil or floor");
        };
    if (Numbers.isInteger(v) && method.equals("common") && precision >= 0) {
      return Numbers.integer(v);
    }
    double d = Numbers.number(v);
    return Double.isFinite(d)
        ? new java.math.BigDecimal(d).setScale(precision, mode).doubleValue()
        : d;
  }

  private Object format(String s, Arguments a) {
    if (!a.named().isEmpty()) {
      throw TemplateException.value("format: expected positional arguments");
    }
    return PercentFormat.format(s, a.positional(), interpreter.limits);
  }

  static String escape(String s) {
    return s.replace("&", "&amp;")
        .replace(">", "&gt;")
        .replace("<", "&lt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  private static String stripTags(String s) {
    StringBuilder out = new StringBuilder();
    int from = 0;
    for (int i = s.indexOf('<'); i >= 0; i = s.indexOf('<', from)) {
      int end = s.indexOf('>', i);
      if (end < 0) {
        break;
      }
      out.append(s, from, i);
      from = end + 1;
    }
    out.append(s.substring(from));
    return String.join(" ", out.toString().strip().split("\\s+"));
  }

  private static String truncate(String s, Arguments a) {
    int length = (int) Math.clamp(a.integer(0, "length", 255), 0, Integer.MAX_VALUE);
    boolean killWords = a.flag(1, "killwords", false);
    String end = a.string(2, "end", "...");
    long leeway = a.get(3, "leeway", null) == null ? 5 : a.integer(3, "leeway", 5);
    if (s.length() <= length + leeway) {
      return s;
    }
    String cut = s.substring(0, Math.max(0, length - end.length()));
    if (!killWords && cut.lastIndexOf(' ') >= 0) {
      cut = cut.substring(0, cut.lastIndexOf(' '));
    }
    return cut + end;
  }

  private static long words(String s) {
    long n = 0;
    boolean inWord = false;
    for (int c : s.codePoints().toArray()) {
      boolean word = Character.isLetterOrDigit(c) || c == '_';
      n += word && !inWord ? 1 : 0;
      inWord = word;
    }
    return n;
  }
}
