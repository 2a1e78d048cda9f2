package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Everything that one place of a schema asks for, gathered from the schema there, what it refers to and
/// its `allOf`. Alternatives are kept apart until they are chosen. Used by one thread.
final class Shape {
  static final int UNBOUNDED = Expr.Repeat.UNBOUNDED;

  /// Where a part of a shape comes from, for errors.
  final String place;

  /// Null until a type was named.
  @Nullable EnumSet<JsonType> types;

  /// What the keywords are about, where no type was named.
  final EnumSet<JsonType> hints = EnumSet.noneOf(JsonType.class);

  @Nullable List<Object> values;
  final Map<String, Object> properties;
  final Set<String> required = new LinkedHashSet<>();

  /// Schema of other members; null where nothing was said, and none are made.
  @Nullable Object additional;

  int minProperties;
  int maxProperties = UNBOUNDED;
  List<Object> prefix = List.of();
  @Nullable Object items;
  int minItems;
  int maxItems = UNBOUNDED;
  boolean unique;
  int minLength;
  int maxLength = UNBOUNDED;

  /// Patterns, each with the place where it stands.
  final Map<String, String> patterns = new LinkedHashMap<>();

  NumberRules.Range range = NumberRules.Range.ALL;
  @Nullable BigDecimal multipleOf;

  /// Each a list of schemas of which one must hold.
  final List<Alternatives> pending = new ArrayList<>();

  /// @param exclusive whether exactly one must hold
  record Alternatives(List<Object> schemas, boolean exclusive, String place) {}

  Shape(String place) {
    this.place = place;
    this.properties = new LinkedHashMap<>();
  }

  Shape(Shape other) {
    this.place = other.place;
    this.types = other.types == null ? null : EnumSet.copyOf(other.types);
    this.hints.addAll(other.hints);
    this.values = other.values;
    this.properties = new LinkedHashMap<>(other.properties);
    this.required.addAll(other.required);
    this.additional = other.additional;
    this.minProperties = other.minProperties;
    this.maxProperties = other.maxProperties;
    this.prefix = other.prefix;
    this.items = other.items;
    this.minItems = other.minItems;
    this.maxItems = other.maxItems;
    this.unique = other.unique;
    this.minLength = other.minLength;
    this.maxLength = other.maxLength;
    this.patterns.putAll(other.patterns);
    this.range = other.range;
    this.multipleOf = other.multipleOf;
    this.pending.addAll(other.pending);
  }

  /// Nothing is valid any more.
  void forbid() {
    types = EnumSet.noneOf(JsonType.class);
  }

  void restrictTypes(EnumSet<JsonType> named) {
    EnumSet<JsonType> before = types;
    if (before == null) {
      types = named;
      return;
    }
    EnumSet<JsonType> both = EnumSet.copyOf(before);
    both.retainAll(named);
    boolean whole =
        before.contains(JsonType.NUMBER) && named.contains(JsonType.INTEGER)
            || before.contains(JsonType.INTEGER) && named.contains(JsonType.NUMBER);
    if (whole && !both.contains(JsonType.NUMBER)) {
      both.add(JsonType.INTEGER);
    }
    types = both;
  }

  void restrictValues(List<Object> allowed) {
    List<Object> before = values;
    if (before == null) {
      values = allowed;
    } else {
      Set<Object> keys = new HashSet<>();
      allowed.forEach(a -> keys.add(JsonText.key(a)));
      values = before.stream().filter(v -> keys.contains(JsonText.key(v))).toList();
    }
  }

  /// The types that are made: those named, else those that the keywords are about, else all.
  EnumSet<JsonType> madeTypes() {
    EnumSet<JsonType> named = types;
    EnumSet<JsonType> out =
        named != null
            ? EnumSet.copyOf(named)
            : hints.isEmpty() ? EnumSet.allOf(JsonType.class) : EnumSet.copyOf(hints);
    if (out.contains(JsonType.NUMBER)) {
      out.remove(JsonType.INTEGER);
    }
    return out;
  }

  /// Both must hold: null stands for no demand. Not deeper with each schema more, as equality of schemas is found
  /// by recursion.
  static @Nullable Object both(@Nullable Object a, @Nullable Object b) {
    if (a == null || Boolean.TRUE.equals(a)) {
      return b == null && a != null ? a : b;
    }
    if (b == null || Boolean.TRUE.equals(b) || a.equals(b)) {
      return a;
    }
    if (a instanceof Map<?, ?> m
        && m.size() == 1
        && m.get("allOf") instanceof List<?> list
        && !list.isEmpty()) {
      List<Object> all = new ArrayList<>(list);
      all.add(b);
      return Map.of("allOf", all);
    }
    return Map.of("allOf", List.of(a, b));
  }
}
