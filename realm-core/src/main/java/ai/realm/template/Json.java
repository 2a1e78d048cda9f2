package ai.realm.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Python's `json.dumps(v, ensure_ascii=False, …)`.
final class Json {
  private final StringBuilder out = new StringBuilder();
  private final Limits limits;
  private final @Nullable String indent;
  private final String itemSeparator;
  private final String keySeparator;
  private final boolean sortKeys;
  private final boolean ascii;

  private Json(
      Limits limits,
      @Nullable String indent,
      @Nullable List<?> separators,
      boolean sortKeys,
      boolean ascii) {
    this.limits = limits;
    this.indent = indent;
    this.itemSeparator =
        separators == null ? indent == null ? ", " : "," : String.valueOf(separators.get(0));
    this.keySeparator = separators == null ? ": " : String.valueOf(separators.get(1));
    this.sortKeys = sortKeys;
    this.ascii = ascii;
  }

  /// @param named Python's keyword arguments `indent`, `separators`, `sort_keys`, `ensure_ascii`
  static String write(@Nullable Object v, Map<String, @Nullable Object> named, Limits limits) {
    Object indent = named.get("indent");
    Object separators = named.get("separators");
    if (separators != null && !(separators instanceof List<?> l && l.size() == 2)) {
      throw TemplateException.value("tojson: expected two separators");
    }
    String step = null;
    if (indent instanceof String s) {
      step = s;
    } else if (indent != null) {
      step = " ".repeat((int) Math.clamp(Numbers.integer(indent), 0, 64));
    }
    Json json =
        new Json(
            limits,
            step,
            (List<?>) separators,
            Values.truth(named.get("sort_keys")),
            Values.truth(named.get("ensure_ascii")));
    json.value(v, 0);
    return json.out.toString();
  }

  private void value(@Nullable Object v, int depth) {
    limits.step();
    limits.depth(depth);
    limits.size(out.length());
    switch (v) {
      case null -> out.append("null");
      case Boolean b -> out.append((boolean) b);
      case Long n -> out.append((long) n);
      case BigInteger n -> out.append(n);
      case Double d -> out.append(number(d));
      case String s -> string(s);
      case Values.Markup m -> string(m.text());
      case Values.Generator g ->
          throw TemplateException.value("Object of type generator is not JSON serializable");
      case List<?> l -> list(l, depth);
      case Map<?, ?> m -> map(m, depth);
      default ->
          throw TemplateException.value(
              "Object of type " + Values.typeName(v) + " is not JSON serializable");
    }
  }

  private static String number(double d) {
    if (Double.isNaN(d)) {
      return "NaN";
    }
    return Double.isInfinite(d) ? d > 0 ? "Infinity" : "-Infinity" : Values.floatString(d);
  }

  private void list(List<?> l, int depth) {
    if (l.isEmpty()) {
      out.append("[]");
      return;
    }
    out.append('[');
    for (int i = 0; i < l.size(); i++) {
      out.append(i == 0 ? "" : itemSeparator);
      newLine(depth + 1);
      value(l.get(i), depth + 1);
    }
    newLine(depth);
    out.append(']');
  }

  private void map(Map<?, ?> m, int depth) {
    if (m.isEmpty()) {
      out.append("{}");
      return;
    }
    List<Map.Entry<?, ?>> entries = new ArrayList<>(m.entrySet());
    if (sortKeys) {
      entries.sort((a, b) -> Values.order(a.getKey(), b.getKey()));
    }
    out.append('{');
    String separator = "";
    for (Map.Entry<?, ?> e : entries) {
      out.append(separator);
      newLine(depth + 1);
      string(key(e.getKey()));
      out.append(keySeparator);
      value(e.getValue(), depth + 1);
      separator = itemSeparator;
    }
    newLine(depth);
    out.append('}');
  }

  private static String key(@Nullable Object key) {
    return switch (key) {
      case String s -> s;
      case null -> "null";
      case Boolean b -> b ? "true" : "false";
      case Long n -> Long.toString(n);
      case BigInteger n -> n.toString();
      case Double d -> number(d);
      default -> throw TemplateException.value("keys must be str, not " + Values.typeName(key));
    };
  }

  private void newLine(int depth) {
    if (indent != null) {
      out.append('\n').append(indent.repeat(depth));
    }
  }

  private void string(String s) {
    out.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < 32 || (ascii && c > 126)) {
            out.append("\\u");
            for (int shift = 12; shift >= 0; shift -= 4) {
              out.append(Character.forDigit(c >> shift & 15, 16));
            }
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
