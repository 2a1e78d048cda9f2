package ai.realm.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Methods of Python's strings, dicts and lists that a sandboxed template may call. Those that would
/// change their object are refused, as in Jinja's immutable sandbox.
final class Methods {
  private static final Set<String> STRING =
      Set.of(
          "strip",
          "lstrip",
          "rstrip",
          "split",
          "rsplit",
          "splitlines",
          "startswith",
          "endswith",
          "replace",
          "upper",
          "lower",
          "title",
          "capitalize",
          "swapcase",
          "casefold",
          "find",
          "rfind",
          "index",
          "rindex",
          "count",
          "join",
          "format",
          "isdigit",
          "isnumeric",
          "isdecimal",
          "isalpha",
          "isalnum",
          "isspace",
          "isupper",
          "islower",
          "zfill",
          "ljust",
          "rjust",
          "center",
          "removeprefix",
          "removesuffix",
          "partition",
          "rpartition");
  private static final Set<String> MAP = Set.of("items", "keys", "values", "get", "copy");
  private static final Set<String> LIST = Set.of("index", "count", "copy");
  private static final Set<String> MUTATING =
      Set.of(
          "append",
          "extend",
          "insert",
          "pop",
          "remove",
          "reverse",
          "sort",
          "clear",
          "update",
          "setdefault",
          "popitem");

  private final Limits limits;

  Methods(Limits limits) {
    this.limits = limits;
  }

  /// The method of that name bound to a value, or null.
  @Nullable Callable find(@Nullable Object v, String name) {
    return switch (v) {
      case String s when STRING.contains(name) -> bound("str." + name, a -> string(s, name, a));
      case Map<?, ?> m when MAP.contains(name) -> bound("dict." + name, a -> map(m, name, a));
      case List<?> l when LIST.contains(name) -> bound("list." + name, a -> list(l, name, a));
      case Map<?, ?> m when MUTATING.contains(name) && !m.containsKey(name) -> refuse(name);
      case List<?> l when MUTATING.contains(name) -> refuse(name);
      case null, default -> null;
    };
  }

  /// A method body.
  private interface Body {
    @Nullable Object call(Arguments a);
  }

  private static Callable bound(String what, Body body) {
    return (List<@Nullable Object> positional, Map<String, @Nullable Object> named) ->
        body.call(new Arguments(what, positional, named));
  }

  private static Callable refuse(String name) {
    return (arguments, named) -> {
      throw TemplateException.value("access to '" + name + "' is unsafe: values cannot be changed");
    };
  }

  private static @Nullable Object map(Map<?, ?> m, String name, Arguments a) {
    return switch (name) {
      case "items" -> {
        List<@Nullable Object> items = new ArrayList<>();
        m.forEach((k, v) -> items.add(pair(k, v)));
        yield items;
      }
      case "keys" -> new ArrayList<@Nullable Object>(m.keySet());
      case "values" -> new ArrayList<@Nullable Object>(m.values());
      case "copy" -> new LinkedHashMap<@Nullable Object, @Nullable Object>(m);
      default -> {
        Object key = a.require(0, "key");
        yield m.containsKey(key) ? m.get(key) : a.get(1, "default", null);
      }
    };
  }

  static Values.Tuple pair(@Nullable Object a, @Nullable Object b) {
    List<@Nullable Object> pair = new ArrayList<>(2);
    pair.add(a);
    pair.add(b);
    return new Values.Tuple(pair);
  }

  private static Object list(List<?> l, String name, Arguments a) {
    if (name.equals("copy")) {
      return new ArrayList<@Nullable Object>(l);
    }
    Object wanted = a.require(0, "value");
    long count = 0;
    for (int i = 0; i < l.size(); i++) {
      if (Values.equal(l.get(i), wanted)) {
        if (name.equals("index")) {
          return (long) i;
        }
        count++;
      }
    }
    if (name.equals("index")) {
      throw TemplateException.value("value is not in list");
    }
    return count;
  }

  private @Nullable Object string(String s, String name, Arguments a) {
    return switch (name) {
      case "strip" -> stripCharacters(s, a, true, true);
      case "lstrip" -> stripCharacters(s, a, true, false);
      case "rstrip" -> stripCharacters(s, a, false, true);
      case "split" -> split(s, a, false);
      case "rsplit" -> split(s, a, true);
      case "splitlines" -> lines(s, a.flag(0, "keepends", false));
      case "startswith" -> affix(s, a, true);
      case "endswith" -> affix(s, a, false);
      case "replace" ->
          replace(s, a.string(0, "old"), a.string(1, "new"), a.integer(2, "count", -1));
      case "upper" -> s.toUpperCase(Locale.ROOT);
      case "lower", "casefold" -> s.toLowerCase(Locale.ROOT);
      case "title" -> title(s);
      case "capitalize" -> capitalize(s);
      case "swapcase" -> swapCase(s);
      case "find" -> codePoints(s, s.indexOf(a.string(0, "sub")));
      case "rfind" -> codePoints(s, s.lastIndexOf(a.string(0, "sub")));
      case "index" -> found(codePoints(s, s.indexOf(a.string(0, "sub"))));
      case "rindex" -> found(codePoints(s, s.lastIndexOf(a.string(0, "sub"))));
      case "count" -> count(s, a.string(0, "sub"));
      case "join" -> join(s, Values.items(a.require(0, "iterable"), limits), limits);
      case "format" -> StringFormat.format(s, a, limits);
      case "isdigit", "isnumeric", "isdecimal" -> all(s, Character::isDigit);
      case "isalpha" -> all(s, Character::isLetter);
      case "isalnum" -> all(s, Character::isLetterOrDigit);
      case "isspace" -> all(s, Methods::isSpace);
      case "isupper" -> isCased(s, true);
      case "islower" -> isCased(s, false);
      case "zfill" -> zeroFill(s, width(a));
      case "ljust" -> s + fill(a, width(a) - s.length());
      case "rjust" -> fill(a, width(a) - s.length()) + s;
      case "center" -> center(s, width(a), a.string(1, "fillchar", " "));
      case "removeprefix" -> {
        String prefix = a.string(0, "prefix");
        yield s.startsWith(prefix) ? s.substring(prefix.length()) : s;
      }
      case "removesuffix" -> {
        String suffix = a.string(0, "suffix");
        yield s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
      }
      case "partition" -> partition(s, a.string(0, "sep"), false);
      default -> partition(s, a.string(0, "sep"), true);
    };
  }

  // ---- strings
  // ------------------------------------------------------------------------------------

  static boolean isSpace(int c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
  }

  private static String stripCharacters(String s, Arguments a, boolean left, boolean right) {
    String set = a.has(0, "chars") && a.get(0, "chars", null) != null ? a.string(0, "chars") : null;
    return strip(s, set, left, right);
  }

  /// Removes characters of `set`, white space where it is null, from the ends.
  static String strip(String s, @Nullable String set, boolean left, boolean right) {
    int from = 0;
    int to = s.length();
    while (left && from < to && stripped(s.codePointAt(from), set)) {
      from += Character.charCount(s.codePointAt(from));
    }
    while (right && to > from && stripped(s.codePointBefore(to), set)) {
      to -= Character.charCount(s.codePointBefore(to));
    }
    return s.substring(from, to);
  }

  private static boolean stripped(int c, @Nullable String set) {
    return set == null ? isSpace(c) : set.indexOf(c) >= 0;
  }

  private List<@Nullable Object> split(String s, Arguments a, boolean fromRight) {
    Object separator = a.get(0, "sep", null);
    long most = a.integer(1, "maxsplit", -1);
    List<@Nullable Object> parts = new ArrayList<>();
    if (separator == null) {
      splitAtSpaces(s, most, fromRight, parts);
      return parts;
    }
    String sep = a.string(0, "sep");
    if (sep.isEmpty()) {
      throw TemplateException.value("empty separator");
    }
    String rest = s;
    while (most < 0 || parts.size() < most) {
      limits.step();
      int i = fromRight ? rest.lastIndexOf(sep) : rest.indexOf(sep);
      if (i < 0) {
        break;
      }
      if (fromRight) {
        parts.addFirst(rest.substring(i + sep.length()));
        rest = rest.substring(0, i);
      } else {
        parts.add(rest.substring(0, i));
        rest = rest.substring(i + sep.length());
      }
    }
    if (fromRight) {
      parts.addFirst(rest);
    } else {
      parts.add(rest);
    }
    return parts;
  }

  private void splitAtSpaces(String s, long most, boolean fromRight, List<@Nullable Object> parts) {
    String rest = strip(s, null, true, true);
    while (!rest.isEmpty()) {
      limits.step();
      int i = most >= 0 && parts.size() >= most ? -1 : space(rest, fromRight);
      if (i < 0) {
        break;
      }
      if (fromRight) {
        parts.addFirst(rest.substring(i + 1));
        rest = strip(rest.substring(0, i), null, false, true);
      } else {
        parts.add(rest.substring(0, i));
        rest = strip(rest.substring(i), null, true, false);
      }
    }
    if (!rest.isEmpty()) {
      if (fromRight) {
        parts.addFirst(rest);
      } else {
        parts.add(rest);
      }
    }
  }

  private static int space(String s, boolean fromRight) {
    for (int k = 0; k < s.length(); k++) {
      int i = fromRight ? s.length() - 1 - k : k;
      if (isSpace(s.charAt(i))) {
        return i;
      }
    }
    return -1;
  }

  static List<@Nullable Object> lines(String s, boolean keepEnds) {
    List<@Nullable Object> lines = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '\n' || c == '\r' || c == '\u000b' || c == '\f' || c == '\u2028' || c == '\u2029') {
        int end = c == '\r' && i + 1 < s.length() && s.charAt(i + 1) == '\n' ? i + 2 : i + 1;
        lines.add(s.substring(from, keepEnds ? end : i));
        from = end;
        i = end - 1;
      }
    }
    if (from < s.length()) {
      lines.add(s.substring(from));
    }
    return lines;
  }

  private static boolean affix(String s, Arguments a, boolean start) {
    Object affix = a.require(0, "prefix");
    List<?> any = affix instanceof List<?> l ? l : List.of(a.string(0, "prefix"));
    for (Object one : any) {
      if (one instanceof String t && (start ? s.startsWith(t) : s.endsWith(t))) {
        return true;
      }
    }
    return false;
  }

  String replace(String s, String old, String by, long count) {
    if (count < 0 && !old.isEmpty()) {
      long hits = count(s, old);
      limits.size(s.length() + hits * Math.max(0, by.length() - old.length()));
      return s.replace(old, by);
    }
    StringBuilder out = new StringBuilder();
    int from = 0;
    long left = count < 0 ? Long.MAX_VALUE : count;
    while (left-- > 0) {
      limits.step();
      limits.size(out.length());
      int i = s.indexOf(old, from);
      if (i < 0) {
        break;
      }
      out.append(s, from, i).append(by);
      from = i + old.length();
      if (old.isEmpty()) {
        if (i >= s.length()) {
          break;
        }
        out.append(s.charAt(i));
        from = i + 1;
      }
    }
    return out.append(s.substring(Math.min(from, s.length()))).toString();
  }

  private static long codePoints(String s, int at) {
    return at < 0 ? -1 : s.codePointCount(0, at);
  }

  private static long found(long at) {
    if (at < 0) {
      throw TemplateException.value("substring not found");
    }
    return at;
  }

  static long count(String s, String part) {
    if (part.isEmpty()) {
      return s.codePointCount(0, s.length()) + 1L;
    }
    long n = 0;
    for (int i = s.indexOf(part); i >= 0; i = s.indexOf(part, i + part.length())) {
      n++;
    }
    return n;
  }

  static String join(String separator, List<@Nullable Object> items, Limits limits) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < items.size(); i++) {
      if (!(Values.plain(items.get(i)) instanceof String s)) {
        throw TemplateException.value(
            "sequence item %d: expected str instance, %s found"
                .formatted(i, Values.typeName(items.get(i))));
      }
      limits.size((long) out.length() + separator.length() + s.length());
      out.append(i == 0 ? "" : separator).append(s);
    }
    return out.toString();
  }

  static String capitalize(String s) {
    if (s.isEmpty()) {
      return s;
    }
    int first = Character.charCount(s.codePointAt(0));
    return s.substring(0, first).toUpperCase(Locale.ROOT)
        + s.substring(first).toLowerCase(Locale.ROOT);
  }

  static String title(String s) {
    StringBuilder out = new StringBuilder();
    boolean inWord = false;
    for (int c : s.codePoints().toArray()) {
      boolean letter = Character.isLetter(c);
      out.appendCodePoint(
          !letter ? c : inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inWord = letter;
    }
    return out.toString();
  }

  private static String swapCase(String s) {
    StringBuilder out = new StringBuilder();
    s.codePoints()
        .forEach(c ->
            out.appendCodePoint(
                Character.isUpperCase(c) ? Character.toLowerCase(c) : Character.toUpperCase(c)));
    return out.toString();
  }

  private static boolean all(String s, java.util.function.IntPredicate holds) {
    return !s.isEmpty() && s.codePoints().allMatch(holds);
  }

  private static boolean isCased(String s, boolean upper) {
    return s.codePoints().anyMatch(upper ? Character::isUpperCase : Character::isLowerCase)
        && s.codePoints().noneMatch(upper ? Character::isLowerCase : Character::isUpperCase);
  }

  private int width(Arguments a) {
    long width = a.integer(0, "width", 0);
    limits.size(width);
    return (int) Math.max(0, width);
  }

  private static String fill(Arguments a, int n) {
    return a.string(1, "fillchar", " ").repeat(Math.max(0, n));
  }

  static String center(String s, int width, String fill) {
    int margin = Math.max(0, width - s.length());
    int left = margin / 2 + (margin & width & 1);
    return fill.repeat(left) + s + fill.repeat(margin - left);
  }

  private static String zeroFill(String s, int width) {
    boolean signed = s.startsWith("-") || s.startsWith("+");
    String digits = signed ? s.substring(1) : s;
    return (signed ? s.substring(0, 1) : "") + "0".repeat(Math.max(0, width - s.length())) + digits;
  }

  private static Values.Tuple partition(String s, String separator, boolean last) {
    if (separator.isEmpty()) {
      throw TemplateException.value("empty separator");
    }
    int i = last ? s.lastIndexOf(separator) : s.indexOf(separator);
    if (i < 0) {
      return new Values.Tuple(last ? List.of("", "", s) : List.of(s, "", ""));
    }
    return new Values.Tuple(
        List.of(s.substring(0, i), separator, s.substring(i + separator.length())));
  }
}
