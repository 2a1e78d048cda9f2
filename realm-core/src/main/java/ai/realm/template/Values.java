package ai.realm.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Python's view of the values of a template: `null` is None; booleans, `Long` (`BigInteger` beyond 64 bits), `Double` and `String`
/// are themselves; a `List` is a list or, as [Tuple], a tuple; a `Map` is a dict.
final class Values {
  private Values() {}

  /// A tuple: a list that prints in parentheses.
  static sealed class Tuple extends ArrayList<@Nullable Object> {
    private static final long serialVersionUID = 1L;

    Tuple(List<? extends @Nullable Object> items) {
      super(items);
    }
  }

  /// One group of `groupby`: a tuple of `grouper` and `list`.
  static final class Group extends Tuple {
    private static final long serialVersionUID = 1L;

    Group(List<? extends @Nullable Object> pair) {
      super(pair);
    }

    @Nullable Object attribute(String name) {
      return switch (name) {
        case "grouper" -> get(0);
        case "list" -> get(1);
        default -> new Undefined(name);
      };
    }
  }

  /// What lazy filters give (`map`, `select` …): true whatever it holds, without length or items, and
  /// empty once it was iterated over.
  static final class Generator extends ArrayList<@Nullable Object> {
    private static final long serialVersionUID = 1L;

    Generator(List<? extends @Nullable Object> items) {
      super(items);
    }
  }

  /// Text that counts as HTML (`safe`, `escape`): what is joined to it is escaped first.
  record Markup(String text) {
    /// The text of a value as part of a markup.
    static String escaped(@Nullable Object v, Limits limits) {
      return v instanceof Markup m ? m.text() : Filters.escape(string(v, limits));
    }
  }

  /// A markup as the text that it holds, any other value as it is.
  static @Nullable Object plain(@Nullable Object v) {
    return v instanceof Markup m ? m.text() : v;
  }

  /// The mutable object that `namespace()` makes.
  record Namespace(Map<String, @Nullable Object> attributes) {}

  static boolean truth(@Nullable Object v) {
    return switch (v) {
      case null -> false;
      case Boolean b -> b;
      case Long n -> n != 0;
      case Double d -> d != 0;
      case String s -> !s.isEmpty();
      case Markup m -> !m.text().isEmpty();
      case Generator g -> true;
      case List<?> l -> !l.isEmpty();
      case Map<?, ?> m -> !m.isEmpty();
      case Undefined u -> false;
      default -> true;
    };
  }

  static String typeName(@Nullable Object v) {
    return switch (v) {
      case null -> "NoneType";
      case Boolean b -> "bool";
      case Long n -> "int";
      case BigInteger n -> "int";
      case Double d -> "float";
      case String s -> "str";
      case Markup m -> "Markup";
      case Tuple t -> "tuple";
      case Generator g -> "generator";
      case List<?> l -> "list";
      case Map<?, ?> m -> "dict";
      case Undefined u -> "Undefined";
      default -> "object";
    };
  }

  // ---- text
  // ---------------------------------------------------------------------------------------

  /// `str(v)`.
  static String string(@Nullable Object v, Limits limits) {
    if (plain(v) instanceof String s) {
      return s;
    }
    StringBuilder out = new StringBuilder();
    write(v, out, false, limits, 0);
    return out.toString();
  }

  /// `repr(v)`.
  static String repr(@Nullable Object v, Limits limits) {
    StringBuilder out = new StringBuilder();
    write(v, out, true, limits, 0);
    return out.toString();
  }

  private static void write(
      @Nullable Object v, StringBuilder out, boolean quoted, Limits limits, int depth) {
    limits.step();
    limits.depth(depth);
    switch (v) {
      case null -> out.append("None");
      case Boolean b -> out.append(b ? "True" : "False");
      case Long n -> out.append((long) n);
      case BigInteger n -> out.append(n);
      case Double d -> out.append(floatString(d));
      case String s -> {
        if (quoted) {
          quote(s, out);
        } else {
          out.append(s);
        }
      }
      case Markup m -> quote(m.text(), out);
      case Generator g -> out.append("<generator object>");
      case List<?> l -> {
        boolean tuple = l instanceof Tuple;
        out.append(tuple ? '(' : '[');
        for (int i = 0; i < l.size(); i++) {
          out.append(i == 0 ? "" : ", ");
          write(l.get(i), out, true, limits, depth + 1);
        }
        out.append(tuple ? l.size() == 1 ? ",)" : ")" : "]");
      }
      case Map<?, ?> m -> {
        out.append('{');
        String separator = "";
        for (Map.Entry<?, ?> e : m.entrySet()) {
          out.append(separator);
          write(e.getKey(), out, true, limits, depth + 1);
          out.append(": ");
          write(e.getValue(), out, true, limits, depth + 1);
          separator = ", ";
        }
        out.append('}');
      }
      case Undefined u -> out.append(quoted ? "Undefined" : "");
      case Namespace n -> out.append("<Namespace>");
      default -> out.append("<function>");
    }
    limits.size(out.length());
  }

  /// A float as Python prints it.
  static String floatString(double d) {
    if (Double.isNaN(d)) {
      return "nan";
    }
    if (Double.isInfinite(d)) {
      return d > 0 ? "inf" : "-inf";
    }
    double magnitude = Math.abs(d);
    String s = Double.toString(d);
    if (d == 0 || (magnitude >= 1e-4 && magnitude < 1e16)) {
      return s.indexOf('E') < 0 ? s : plain(d);
    }
    int e = s.indexOf('E');
    String mantissa = s.substring(0, e);
    int exponent = Integer.parseInt(s.substring(e + 1));
    if (mantissa.endsWith(".0")) {
      mantissa = mantissa.substring(0, mantissa.length() - 2);
    }
    String digits = Integer.toString(Math.abs(exponent));
    return mantissa + (exponent < 0 ? "e-" : "e+") + (digits.length() < 2 ? "0" + digits : digits);
  }

  private static String plain(double d) {
    String s = new java.math.BigDecimal(Double.toString(d)).toPlainString();
    return s.indexOf('.') < 0 ? s + ".0" : s;
  }

  /// `chr(c).isprintable()`.
  private static boolean isPrintable(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      case Character.SPACE_SEPARATOR -> c == ' ';
      default -> true;
    };
  }

  private static void quote(String s, StringBuilder out) {
    char quote = s.indexOf('\'') >= 0 && s.indexOf('"') < 0 ? '"' : '\'';
    out.append(quote);
    s.codePoints()
        .forEach(c -> {
          switch (c) {
            case '\n' -> out.append("\\n");
            case '\t' -> out.append("\\t");
            case '\r' -> out.append("\\r");
            case '\\' -> out.append("\\\\");
            default -> {
              if (c == quote) {
                out.append('\\').append(quote);
              } else if (!isPrintable(c)) {
                out.append(
                    String.format(c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c));
              } else {
                out.appendCodePoint(c);
              }
            }
          }
        });
    out.append(quote);
  }

  // ---- numbers
  // ------------------------------------------------------------------------------------

  static @Nullable Object binary(
      String operator, @Nullable Object a, @Nullable Object b, Limits limits) {
    if (a instanceof Undefined u) {
      throw u.error();
    }
    if (b instanceof Undefined u) {
      throw u.error();
    }
    if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
      return Numbers.arithmetic(operator, a, b);
    }
    if (a instanceof Markup || b instanceof Markup) {
      boolean texts = plain(a) instanceof String && plain(b) instanceof String;
      if (texts && operator.equals("+")) {
        return addMarkup(a, b, limits);
      }
      return binary(operator, plain(a), plain(b), limits);
    }
    if (operator.equals("+")) {
      if (a instanceof String s && b instanceof String t) {
        limits.size((long) s.length() + t.length());
        return s + t;
      }
      if (a instanceof List<?> l
          && b instanceof List<?> m
          && l instanceof Tuple == m instanceof Tuple) {
        limits.size((long) l.size() + m.size());
        List<@Nullable Object> joined = new ArrayList<>(l);
        joined.addAll(m);
        return l instanceof Tuple ? new Tuple(joined) : joined;
      }
    }
    if (operator.equals("*")) {
      if (Numbers.isInteger(b) && (a instanceof String || a instanceof List<?>)) {
        return repeat(a, Numbers.integer(b), limits);
      }
      if (Numbers.isInteger(a) && (b instanceof String || b instanceof List<?>)) {
        return repeat(b, Numbers.integer(a), limits);
      }
    }
    if (operator.equals("%") && a instanceof String format) {
      List<@Nullable Object> arguments = new ArrayList<>();
      if (b instanceof Tuple t) {
        arguments.addAll(t);
      } else {
        arguments.add(b);
      }
      return PercentFormat.format(format, arguments, limits);
    }
    throw TemplateException.value(
        "unsupported operand types for %s: %s and %s"
            .formatted(operator, typeName(a), typeName(b)));
  }

  /// `a ~ b`: where nothing escapes by itself, a markup is a text like any other.
  static String concatenate(@Nullable Object a, @Nullable Object b, Limits limits) {
    String left = string(a, limits);
    String right = string(b, limits);
    limits.size((long) left.length() + right.length());
    return left + right;
  }

  /// `a + b` where one of them is a markup: the other is escaped.
  private static Markup addMarkup(@Nullable Object a, @Nullable Object b, Limits limits) {
    String left = Markup.escaped(a, limits);
    String right = Markup.escaped(b, limits);
    limits.size((long) left.length() + right.length());
    return new Markup(left + right);
  }

  private static Object repeat(Object v, long times, Limits limits) {
    long n = Math.max(0, times);
    if (v instanceof String s) {
      limits.size(saturatedProduct(n, s.length()));
      return s.repeat((int) n);
    }
    List<?> l = (List<?>) v;
    limits.size(saturatedProduct(n, l.size()));
    List<@Nullable Object> repeated = new ArrayList<>();
    for (long i = 0; i < n; i++) {
      repeated.addAll(l);
    }
    return l instanceof Tuple ? new Tuple(repeated) : repeated;
  }

  private static long saturatedProduct(long a, long b) {
    long high = Math.multiplyHigh(a, b);
    return high == 0 && a * b >= 0 ? a * b : Long.MAX_VALUE;
  }

  // ---- comparison
  // ---------------------------------------------------------------------------------

  /// `a == b`.
  static boolean equal(@Nullable Object a, @Nullable Object b) {
    if (a instanceof Markup || b instanceof Markup) {
      return equal(plain(a), plain(b));
    }
    if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
      return Numbers.equal(a, b);
    }
    if (a instanceof Undefined && b instanceof Undefined) {
      return true;
    }
    if (a instanceof Generator || b instanceof Generator) {
      return a == b;
    }
    if (a instanceof List<?> l && b instanceof List<?> m) {
      if (l.size() != m.size() || l instanceof Tuple != m instanceof Tuple) {
        return false;
      }
      for (int i = 0; i < l.size(); i++) {
        if (!equal(l.get(i), m.get(i))) {
          return false;
        }
      }
      return true;
    }
    if (a instanceof Map<?, ?> l && b instanceof Map<?, ?> m) {
      if (l.size() != m.size()) {
        return false;
      }
      for (Map.Entry<?, ?> e : l.entrySet()) {
        if (!m.containsKey(e.getKey()) || !equal(e.getValue(), m.get(e.getKey()))) {
          return false;
        }
      }
      return true;
    }
    return Objects.equals(a, b);
  }

  /// `a < b`, `a == b`, `a > b` as −1, 0, 1, for what Python orders.
  static int order(@Nullable Object a, @Nullable Object b) {
    if (a instanceof Markup || b instanceof Markup) {
      return order(plain(a), plain(b));
    }
    if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
      return Numbers.order(a, b);
    }
    if (a instanceof String s && b instanceof String t) {
      return compareCodePoints(s, t);
    }
    if (a instanceof List<?> l && b instanceof List<?> m) {
      for (int i = 0; i < Math.min(l.size(), m.size()); i++) {
        if (!equal(l.get(i), m.get(i))) {
          return order(l.get(i), m.get(i));
        }
      }
      return Integer.compare(l.size(), m.size());
    }
    if (a instanceof Undefined u) {
      throw u.error();
    }
    if (b instanceof Undefined u) {
      throw u.error();
    }
    throw TemplateException.value("cannot order " + typeName(a) + " and " + typeName(b));
  }

  private static int compareCodePoints(String s, String t) {
    int i = 0;
    while (i < s.length() && i < t.length() && s.charAt(i) == t.charAt(i)) {
      i++;
    }
    if (i == s.length() || i == t.length()) {
      return Integer.compare(s.length(), t.length());
    }
    char a = s.charAt(i);
    char b = t.charAt(i);
    boolean surrogates = Character.isSurrogate(a) != Character.isSurrogate(b);
    return surrogates ? Character.isSurrogate(a) ? 1 : -1 : Character.compare(a, b);
  }

  /// `needle in haystack`.
  static boolean contains(@Nullable Object in, @Nullable Object item) {
    Object haystack = plain(in);
    Object needle = plain(item);
    return switch (haystack) {
      case String s -> {
        if (needle instanceof String n) {
          yield s.contains(n);
        }
        throw TemplateException.value(
            "'in <string>' requires string as left operand, not " + typeName(needle));
      }
      case List<?> l -> {
        for (Object one : l) {
          if (equal(one, needle)) {
            yield true;
          }
        }
        yield false;
      }
      case Map<?, ?> m -> m.containsKey(needle);
      case Undefined u -> false;
      case null, default ->
          throw TemplateException.value(
              "argument of type " + typeName(haystack) + " is not iterable");
    };
  }

  // ---- iteration
  // ----------------------------------------------------------------------------------

  /// The items of what Python can iterate over: characters of a string, keys of a dict.
  static List<@Nullable Object> items(@Nullable Object v, Limits limits) {
    return switch (plain(v)) {
      case Generator g -> {
        List<@Nullable Object> rest = new ArrayList<>(g);
        g.clear();
        yield rest;
      }
      case List<?> l -> new ArrayList<>(l);
      case Map<?, ?> m -> new ArrayList<>(m.keySet());
      case String s -> {
        List<@Nullable Object> characters = new ArrayList<>();
        for (Iterator<Integer> i = s.codePoints().iterator(); i.hasNext(); ) {
          limits.step();
          characters.add(Character.toString(i.next()));
        }
        yield characters;
      }
      case Undefined u -> new ArrayList<>();
      case null, default -> throw TemplateException.value(typeName(v) + " object is not iterable");
    };
  }

  /// `len(v)`.
  static long length(@Nullable Object v) {
    return switch (plain(v)) {
      case String s -> s.codePointCount(0, s.length());
      case Generator g -> throw TemplateException.value("object of type 'generator' has no len()");
      case List<?> l -> l.size();
      case Map<?, ?> m -> m.size();
      case Undefined u -> 0;
      case null, default -> throw TemplateException.value(typeName(v) + " has no length");
    };
  }

  /// `v[start:stop:step]`.
  static Object slice(
      @Nullable Object v,
      @Nullable Object start,
      @Nullable Object stop,
      @Nullable Object step,
      Limits limits) {
    if (v instanceof Undefined u) {
      throw u.error();
    }
    if (v instanceof Generator || (!(v instanceof String) && !(v instanceof List<?>))) {
      throw TemplateException.value(typeName(v) + " cannot be sliced");
    }
    List<@Nullable Object> items = items(v, limits);
    long n = items.size();
    long by = step == null ? 1 : Numbers.integer(step);
    if (by == 0) {
      throw TemplateException.value("slice step cannot be zero");
    }
    long from = bound(start, by > 0 ? 0 : n - 1, n, by);
    long to = bound(stop, by > 0 ? n : -1, n, by);
    List<@Nullable Object> taken = new ArrayList<>();
    for (long i = from; by > 0 ? i < to : i > to; i += by) {
      taken.add(items.get((int) i));
    }
    if (v instanceof String) {
      StringBuilder text = new StringBuilder();
      for (Object c : taken) {
        text.append(c);
      }
      return text.toString();
    }
    return v instanceof Tuple ? new Tuple(taken) : taken;
  }

  private static long bound(@Nullable Object index, long absent, long n, long step) {
    if (index == null) {
      return absent;
    }
    long i = Numbers.integer(index);
    if (i < 0) {
      i += n;
    }
    return step > 0 ? Math.clamp(i, 0, n) : Math.clamp(i, -1, n - 1);
  }
}
