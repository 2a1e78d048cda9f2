package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads a schema's JSON: objects as maps in their order, arrays as lists, numbers as `BigDecimal`,
/// null as [#NULL]. Strict as RFC 8259; refuses duplicate names.
final class JsonText {
  /// JSON's null.
  static final Object NULL =
      new Object() {
        @Override
        public String toString() {
          return "null";
        }
      };

  private static final int MAX_NUMBER_CHARS = 100;

  private final String text;
  private final Budget budget;
  private int at;

  private JsonText(String text, Budget budget) {
    this.text = text;
    this.budget = budget;
  }

  static Object read(String text, Budget budget) {
    budget.source(text);
    JsonText reader = new JsonText(text, budget);
    Object value = reader.value(0);
    reader.space();
    if (reader.at < text.length()) {
      throw reader.error("the end");
    }
    return value;
  }

  private Object value(int depth) {
    budget.depth(depth);
    space();
    char c = peek();
    return switch (c) {
      case '{' -> object(depth);
      case '[' -> array(depth);
      case '"' -> string();
      case 't' -> word("true", Boolean.TRUE);
      case 'f' -> word("false", Boolean.FALSE);
      case 'n' -> word("null", NULL);
      default -> number();
    };
  }

  private Object word(String word, Object value) {
    if (!text.startsWith(word, at)) {
      throw error("a value");
    }
    at += word.length();
    return value;
  }

  private Map<String, Object> object(int depth) {
    Map<String, Object> out = new LinkedHashMap<>();
    at++;
    space();
    if (peek() == '}') {
      at++;
      return out;
    }
    while (true) {
      space();
      if (peek() != '"') {
        throw error("a name");
      }
      String key = string();
      space();
      take(':');
      if (out.put(key, value(depth + 1)) != null) {
        throw error("a name other than the earlier " + quote(key));
      }
      space();
      if (peek() != ',') {
        break;
      }
      at++;
    }
    take('}');
    return out;
  }

  private List<Object> array(int depth) {
    List<Object> out = new ArrayList<>();
    at++;
    space();
    if (peek() == ']') {
      at++;
      return out;
    }
    while (true) {
      out.add(value(depth + 1));
      space();
      if (peek() != ',') {
        break;
      }
      at++;
    }
    take(']');
    return out;
  }

  private String string() {
    StringBuilder out = new StringBuilder();
    at++;
    while (peek() != '"') {
      char c = peek();
      if (at >= text.length() || c < ' ') {
        throw error("the end of the string");
      }
      at++;
      if (c != '\\') {
        out.append(c);
        continue;
      }
      char escape = peek();
      at++;
      out.append(
          switch (escape) {
            case '"', '\\', '/' -> escape;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> hex();
            default -> throw error("an escape");
          });
    }
    at++;
    for (int i = 0; i < out.length(); i++) {
      if (Character.isSurrogate(out.charAt(i)) && Character.charCount(out.codePointAt(i++)) == 1) {
        throw error("whole characters in the string");
      }
    }
    return out.toString();
  }

  private char hex() {
    int value = 0;
    for (int i = 0; i < 4; i++, at++) {
      int digit = Character.digit(peek(), 16);
      if (digit < 0) {
        throw error("4 hexadecimal digits");
      }
      value = value << 4 | digit;
    }
    return (char) value;
  }

  private Object number() {
    int from = at;
    if (peek() == '-') {
      at++;
    }
    int digits = at;
    digits();
    if (text.charAt(digits) == '0' && at - digits > 1) {
      throw error("a number without leading zeros");
    }
    if (peek() == '.') {
      at++;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      at++;
      if (peek() == '+' || peek() == '-') {
        at++;
      }
      digits();
    }
    if (at - from > MAX_NUMBER_CHARS) {
      throw error("a number of at most " + MAX_NUMBER_CHARS + " characters");
    }
    BigDecimal value;
    try {
      value = new BigDecimal(text.substring(from, at));
    } catch (NumberFormatException e) {
      throw error("a number");
    }
    if (Math.abs((long) value.scale()) > 400) {
      throw error("a number with an exponent of at most 400");
    }
    return value;
  }

  private void digits() {
    int from = at;
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    if (at == from) {
      throw error("a value");
    }
  }

  private void take(char c) {
    if (peek() != c) {
      throw error("'" + c + "'");
    }
    at++;
  }

  private char peek() {
    return at < text.length() ? text.charAt(at) : 0;
  }

  private void space() {
    while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
  }

  private GrammarException error(String expected) {
    return GrammarException.invalid(
        "schema: expected %s at character %d".formatted(expected, Math.min(at, text.length())));
  }

  /// JSON of a value, without space.
  static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    switch (value) {
      case Map<?, ?> map -> {
        out.append('{');
        String separator = "";
        for (Map.Entry<?, ?> e : map.entrySet()) {
          out.append(separator).append(quote(String.valueOf(e.getKey()))).append(':');
          write(e.getValue(), out);
          separator = ",";
        }
        out.append('}');
      }
      case List<?> list -> {
        out.append('[');
        String separator = "";
        for (Object item : list) {
          out.append(separator);
          write(item, out);
          separator = ",";
        }
        out.append(']');
      }
      case String s -> out.append(quote(s));
      default -> out.append(value);
    }
  }

  static String quote(String s) {
    StringBuilder out = new StringBuilder(s.length() + 2).append('"');
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
          if (c < ' ') {
            out.append("\\u00%02x".formatted((int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    return out.append('"').toString();
  }

  /// What equals that of another value exactly where the values are the same, for look-ups.
  static Object key(Object value) {
    return switch (value) {
      case BigDecimal n -> n.stripTrailingZeros();
      case List<?> list -> list.stream().map(JsonText::key).toList();
      case Map<?, ?> map -> {
        Map<Object, Object> keys = new HashMap<>();
        map.forEach((name, member) -> keys.put(name, key(member)));
        yield keys;
      }
      default -> value;
    };
  }

  /// Whether two values are equal as JSON Schema has it: numbers by value, objects in any order.
  static boolean same(Object a, Object b) {
    return switch (a) {
      case BigDecimal x -> b instanceof BigDecimal y && x.compareTo(y) == 0;
      case List<?> x -> {
        if (!(b instanceof List<?> y) || x.size() != y.size()) {
          yield false;
        }
        boolean all = true;
        for (int i = 0; i < x.size(); i++) {
          all &= same(x.get(i), y.get(i));
        }
        yield all;
      }
      case Map<?, ?> x -> {
        if (!(b instanceof Map<?, ?> y) || x.size() != y.size()) {
          yield false;
        }
        boolean all = true;
        for (Map.Entry<?, ?> e : x.entrySet()) {
          Object other = y.get(e.getKey());
          all &= other != null && same(e.getValue(), other);
        }
        yield all;
      }
      default -> a.equals(b);
    };
  }
}
