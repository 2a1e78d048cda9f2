package ai.realm.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Global functions of templates, and the values that come from outside.
final class Builtins {
  private Builtins() {}

  static void define(Scope scope, Limits limits, Supplier<LocalDateTime> now) {
    scope.set(
        "range",
        (Callable)
            (List<@Nullable Object> a, Map<String, @Nullable Object> named) -> range(a, limits));
    scope.set(
        "dict",
        (Callable)
            (a, named) -> {
              Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
              if (!a.isEmpty() && a.getFirst() instanceof Map<?, ?> m) {
                map.putAll(m);
              } else if (!a.isEmpty() && a.getFirst() instanceof List<?> pairs) {
                for (Object pair : pairs) {
                  if (!(pair instanceof List<?> two) || two.size() != 2) {
                    throw TemplateException.value("dict: expected pairs of key and value");
                  }
                  map.put(two.get(0), two.get(1));
                }
              }
              map.putAll(named);
              return map;
            });
    scope.set(
        "namespace",
        (Callable)
            (a, named) -> {
              Map<String, @Nullable Object> attributes = new LinkedHashMap<>();
              if (!a.isEmpty() && a.getFirst() instanceof Map<?, ?> m) {
                m.forEach((k, v) -> attributes.put(String.valueOf(k), v));
              }
              attributes.putAll(named);
              return new Values.Namespace(attributes);
            });
    scope.set(
        "raise_exception",
        (Callable)
            (a, named) -> {
              throw TemplateException.raised(
                  a.isEmpty() ? "" : Values.string(a.getFirst(), limits));
            });
    scope.set(
        "strftime_now",
        (Callable)
            (a, named) ->
                strftime(a.isEmpty() ? "" : Values.string(a.getFirst(), limits), now.get()));
    scope.set("joiner", (Callable) (a, named) -> joiner(a.isEmpty() ? ", " : a.getFirst()));
    scope.set("cycler", (Callable) (a, named) -> cycler(List.copyOf(a)));
  }

  private static Object joiner(@Nullable Object separator) {
    boolean[] used = new boolean[1];
    return (Callable)
        (a, named) -> {
          if (used[0]) {
            return separator;
          }
          used[0] = true;
          return "";
        };
  }

  private static Object cycler(List<?> items) {
    int[] at = new int[1];
    Map<String, @Nullable Object> attributes = new LinkedHashMap<>();
    attributes.put(
        "next",
        (Callable)
            (a, named) -> {
              attributes.put("current", items.get((at[0] + 1) % items.size()));
              return items.get(at[0]++ % items.size());
            });
    attributes.put(
        "reset",
        (Callable)
            (a, named) -> {
              at[0] = 0;
              return null;
            });
    attributes.put("current", items.isEmpty() ? null : items.getFirst());
    return new Values.Namespace(attributes);
  }

  private static Object range(List<@Nullable Object> a, Limits limits) {
    if (a.isEmpty() || a.size() > 3) {
      throw TemplateException.value("range: expected 1 to 3 arguments, found " + a.size());
    }
    long start = a.size() > 1 ? Numbers.integer(a.get(0)) : 0;
    long stop = Numbers.integer(a.size() > 1 ? a.get(1) : a.get(0));
    long step = a.size() > 2 ? Numbers.integer(a.get(2)) : 1;
    if (step == 0) {
      throw TemplateException.value("range() arg 3 must not be zero");
    }
    List<@Nullable Object> items = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i = Math.addExact(i, step)) {
      // Jinja's sandbox refuses ranges of more than 100,000 items.
      if (items.size() >= 100_000) {
        throw TemplateException.limit("expected ranges of at most 100000 items");
      }
      limits.step();
      items.add(i);
    }
    return items;
  }

  /// A value of the caller's as templates see it.
  static @Nullable Object value(@Nullable Object v, int depth, Limits limits) {
    limits.depth(depth);
    limits.step();
    return switch (v) {
      case null -> null;
      case Boolean b -> b;
      case Long n -> n;
      case Integer i -> (long) i;
      case Short n -> (long) n;
      case Byte n -> (long) n;
      case BigInteger n -> n.bitLength() < Long.SIZE ? (Object) n.longValue() : n;
      case BigDecimal d -> d.doubleValue();
      case Double d -> d;
      case Float f -> (double) f;
      case String s -> s;
      case List<?> l -> {
        List<@Nullable Object> items = new ArrayList<>(l.size());
        for (Object item : l) {
          items.add(value(item, depth + 1, limits));
        }
        yield items;
      }
      case Map<?, ?> m -> {
        Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
        m.forEach(
            (k, item) -> map.put(value(k, depth + 1, limits), value(item, depth + 1, limits)));
        yield map;
      }
      default ->
          throw TemplateException.value(
              "expected a null, boolean, number, string, list or map, found "
                  + v.getClass().getSimpleName());
    };
  }

  /// C's `strftime` in English for the codes that templates use.
  private static String strftime(String format, LocalDateTime t) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      char code = format.charAt(++i);
      boolean plain = code == '-' && i + 1 < format.length();
      if (plain) {
        code = format.charAt(++i);
      }
      int hour12 = t.getHour() % 12 == 0 ? 12 : t.getHour() % 12;
      switch (code) {
        case 'Y' -> out.append(t.getYear());
        case 'y' -> number(t.getYear() % 100, 2, plain, out);
        case 'm' -> number(t.getMonthValue(), 2, plain, out);
        case 'd' -> number(t.getDayOfMonth(), 2, plain, out);
        case 'e' -> out.append(t.getDayOfMonth() < 10 ? " " : "").append(t.getDayOfMonth());
        case 'H' -> number(t.getHour(), 2, plain, out);
        case 'I' -> number(hour12, 2, plain, out);
        case 'M' -> number(t.getMinute(), 2, plain, out);
        case 'S' -> number(t.getSecond(), 2, plain, out);
        case 'j' -> number(t.getDayOfYear(), 3, plain, out);
        case 'p' -> out.append(t.getHour() < 12 ? "AM" : "PM");
        case 'B' -> out.append(t.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH));
        case 'b', 'h' -> out.append(t.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH));
        case 'A' -> out.append(t.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH));
        case 'a' -> out.append(t.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH));
        case 'F' -> out.append(strftime("%Y-%m-%d", t));
        case 'T' -> out.append(strftime("%H:%M:%S", t));
        case 'D' -> out.append(strftime("%m/%d/%y", t));
        case 'n' -> out.append('\n');
        case 't' -> out.append('\t');
        case '%' -> out.append('%');
        default -> out.append('%').append(code);
      }
    }
    return out.toString();
  }

  private static void number(int n, int digits, boolean plain, StringBuilder out) {
    String s = Integer.toString(n);
    out.append(plain ? "" : "0".repeat(Math.max(0, digits - s.length()))).append(s);
  }
}
