package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads the keywords of JSON Schema into [Shape]s. What cannot be guaranteed is refused, never passed
/// over; what is only a note is passed over.
final class SchemaReader {
  private static final Set<String> REFUSED =
      Set.of(
          "not",
          "if",
          "then",
          "else",
          "dependentRequired",
          "dependentSchemas",
          "dependencies",
          "propertyNames",
          "contains",
          "minContains",
          "maxContains",
          "unevaluatedProperties",
          "unevaluatedItems",
          "$dynamicRef",
          "$recursiveRef");

  /// Longest text that an error repeats.
  private static final int MAX_TOLD = 60;

  private final Object root;
  private final Budget budget;

  SchemaReader(Object root, Budget budget) {
    this.root = root;
    this.budget = budget;
  }

  Shape read(Object schema, String place) {
    Shape shape = new Shape(place);
    add(shape, schema, place, 0);
    return shape;
  }

  /// Adds what a schema asks for to a shape.
  void add(Shape shape, Object schema, String place, int depth) {
    String before = budget.at(place);
    addHere(shape, schema, place, depth);
    budget.at(before);
  }

  private void addHere(Shape shape, Object schema, String place, int depth) {
    budget.depth(depth);
    budget.time();
    if (Boolean.TRUE.equals(schema)) {
      return;
    }
    if (Boolean.FALSE.equals(schema)) {
      shape.forbid();
      return;
    }
    Map<String, Object> map = map(schema, place);
    for (String keyword : map.keySet()) {
      if (REFUSED.contains(keyword)) {
        throw GrammarException.unsupported(
            "%s: %s cannot be guaranteed while text is made"
                .formatted(Budget.where(place), keyword));
      }
    }
    refuseEmbedded(map, place);
    Object ref = map.get("$ref");
    if (ref != null) {
      String from = place + "/$ref";
      add(shape, resolve(string(ref, from), from), from, depth + 1);
    }
    types(shape, map, place);
    members(shape, map, place);
    items(shape, map, place);
    strings(shape, map, place);
    numbers(shape, map, place);
    combine(shape, map, place, depth);
  }

  private void types(Shape shape, Map<String, Object> map, String place) {
    Object type = map.get("type");
    if (type != null) {
      EnumSet<JsonType> named = EnumSet.noneOf(JsonType.class);
      if (type instanceof List<?> list) {
        list.forEach(t -> named.add(JsonType.named(string(t, place + "/type"), place)));
      } else {
        named.add(JsonType.named(string(type, place + "/type"), place));
      }
      shape.restrictTypes(named);
    }
    if (map.get("enum") instanceof List<?> list) {
      shape.restrictValues(new ArrayList<>(list));
    } else if (map.containsKey("enum")) {
      throw expected("a list", place + "/enum", map.get("enum"));
    }
    Object constant = map.get("const");
    if (constant != null) {
      shape.restrictValues(List.of(constant));
    }
  }

  private void members(Shape shape, Map<String, Object> map, String place) {
    if (map.get("patternProperties") instanceof Map<?, ?> m && m.isEmpty()) {
      hint(shape, map, JsonType.OBJECT, "patternProperties");
    } else if (map.containsKey("patternProperties")) {
      throw GrammarException.unsupported(
          "%s: patternProperties cannot be guaranteed while text is made"
              .formatted(Budget.where(place)));
    }
    hint(
        shape,
        map,
        JsonType.OBJECT,
        "properties",
        "required",
        "additionalProperties",
        "minProperties",
        "maxProperties");
    Object named = map.get("properties");
    Map<String, Object> properties = named == null ? Map.of() : map(named, place + "/properties");
    Object additional = map.get("additionalProperties");
    Set<String> names = new LinkedHashSet<>(shape.properties.keySet());
    names.addAll(properties.keySet());
    Map<String, Object> merged = new LinkedHashMap<>();
    for (String name : names) {
      Object before =
          shape.properties.containsKey(name) ? shape.properties.get(name) : shape.additional;
      Object here = properties.containsKey(name) ? properties.get(name) : additional;
      Object both = Shape.both(before, here);
      merged.put(name, both == null ? Boolean.TRUE : both);
    }
    shape.properties.clear();
    shape.properties.putAll(merged);
    shape.additional = Shape.both(shape.additional, additional);
    Object required = map.get("required");
    if (required instanceof List<?> list) {
      list.forEach(r -> shape.required.add(string(r, place + "/required")));
    } else if (required != null) {
      throw expected("a list", place + "/required", required);
    }
    shape.minProperties = Math.max(shape.minProperties, count(map, "minProperties", 0, place));
    shape.maxProperties =
        Math.min(shape.maxProperties, count(map, "maxProperties", Shape.UNBOUNDED, place));
  }

  private void items(Shape shape, Map<String, Object> map, String place) {
    hint(
        shape,
        map,
        JsonType.ARRAY,
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "additionalItems");
    Object items = map.get("items");
    Object prefix = map.get("prefixItems");
    if (items instanceof List<?>) {
      prefix = items;
      items = map.get("additionalItems");
    }
    List<Object> first = new ArrayList<>();
    if (prefix instanceof List<?> list) {
      first.addAll(list);
    } else if (prefix != null) {
      throw expected("a list", place + "/prefixItems", prefix);
    }
    int n = Math.max(first.size(), shape.prefix.size());
    List<Object> merged = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      Object both =
          Shape.both(
              i < shape.prefix.size() ? shape.prefix.get(i) : shape.items,
              i < first.size() ? first.get(i) : items);
      merged.add(both == null ? Boolean.TRUE : both);
    }
    shape.prefix = merged;
    shape.items = Shape.both(shape.items, items);
    shape.minItems = Math.max(shape.minItems, count(map, "minItems", 0, place));
    shape.maxItems = Math.min(shape.maxItems, count(map, "maxItems", Shape.UNBOUNDED, place));
    shape.unique |= Boolean.TRUE.equals(map.get("uniqueItems"));
  }

  private void strings(Shape shape, Map<String, Object> map, String place) {
    hint(shape, map, JsonType.STRING, "minLength", "maxLength", "pattern");
    shape.minLength = Math.max(shape.minLength, count(map, "minLength", 0, place));
    shape.maxLength = Math.min(shape.maxLength, count(map, "maxLength", Shape.UNBOUNDED, place));
    Object pattern = map.get("pattern");
    if (pattern != null) {
      String at = place + "/pattern";
      shape.patterns.putIfAbsent(string(pattern, at), at);
    }
    Object format = map.get("format");
    if (format != null) {
      StringFormats.pattern(string(format, place + "/format"), shape.minLength, shape.maxLength)
          .ifPresent(p -> {
            shape.hints.add(JsonType.STRING);
            shape.patterns.putIfAbsent("^(" + p + ")$", place + "/format");
          });
    }
  }

  private void numbers(Shape shape, Map<String, Object> map, String place) {
    hint(
        shape,
        map,
        JsonType.NUMBER,
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf");
    BigDecimal min = number(map, "minimum", place);
    BigDecimal max = number(map, "maximum", place);
    Object below = map.get("exclusiveMinimum");
    Object above = map.get("exclusiveMaximum");
    if (min != null) {
      shape.range = shape.range.atLeast(min, Boolean.TRUE.equals(below));
    }
    if (max != null) {
      shape.range = shape.range.atMost(max, Boolean.TRUE.equals(above));
    }
    if (below != null && !(below instanceof Boolean)) {
      shape.range = shape.range.atLeast(decimal(below, place + "/exclusiveMinimum"), true);
    }
    if (above != null && !(above instanceof Boolean)) {
      shape.range = shape.range.atMost(decimal(above, place + "/exclusiveMaximum"), true);
    }
    BigDecimal divisor = number(map, "multipleOf", place);
    if (divisor != null) {
      if (divisor.signum() <= 0) {
        throw expected("a positive number", place + "/multipleOf", divisor);
      }
      BigDecimal before = shape.multipleOf;
      shape.multipleOf = before == null ? divisor : commonMultiple(before, divisor);
    }
  }

  private static BigDecimal commonMultiple(BigDecimal a, BigDecimal b) {
    int scale = Math.max(0, Math.max(a.scale(), b.scale()));
    java.math.BigInteger x = a.movePointRight(scale).toBigIntegerExact();
    java.math.BigInteger y = b.movePointRight(scale).toBigIntegerExact();
    return new BigDecimal(x.divide(x.gcd(y)).multiply(y)).movePointLeft(scale);
  }

  private void combine(Shape shape, Map<String, Object> map, String place, int depth) {
    List<Object> all = list(map, "allOf", place);
    for (int i = 0; i < all.size(); i++) {
      add(shape, all.get(i), place + "/allOf/" + i, depth + 1);
    }
    List<Object> any = list(map, "anyOf", place);
    if (!any.isEmpty()) {
      shape.pending.add(new Shape.Alternatives(any, false, place + "/anyOf"));
    }
    List<Object> one = list(map, "oneOf", place);
    if (!one.isEmpty()) {
      shape.pending.add(new Shape.Alternatives(one, true, place + "/oneOf"));
    }
  }

  /// Refuses a schema below the root whose references do not count from the root.
  void refuseEmbedded(Map<String, Object> schema, String place) {
    if (isResource(schema) && refers(schema)) {
      throw embedded(place);
    }
  }

  /// Whether a schema below the root has an identifier of its own, from which its references count.
  private boolean isResource(Object schema) {
    return schema != root && schema instanceof Map<?, ?> m && m.get("$id") instanceof String;
  }

  private static boolean refers(Object value) {
    return switch (value) {
      case Map<?, ?> m ->
          m.containsKey("$ref") || m.values().stream().anyMatch(SchemaReader::refers);
      case List<?> l -> l.stream().anyMatch(SchemaReader::refers);
      default -> false;
    };
  }

  private static GrammarException embedded(String place) {
    return GrammarException.unsupported(
        "%s: expected no $ref below a $id that is not the whole schema's"
            .formatted(Budget.where(place)));
  }

  /// What a reference within the document points at.
  Object resolve(String ref, String place) {
    if (!ref.startsWith("#")) {
      throw GrammarException.unsupported(
          Budget.where(place)
              + ": expected a reference within the schema, found "
              + JsonText.quote(ref));
    }
    Object at = root;
    boolean embedded = false;
    String path = pointer(ref, place);
    if (!path.isEmpty() && path.charAt(0) != '/') {
      throw GrammarException.unsupported(
          Budget.where(place) + ": expected a JSON pointer, found " + JsonText.quote(ref));
    }
    for (String step : path.isEmpty() ? new String[0] : path.substring(1).split("/", -1)) {
      String key = step.replace("~1", "/").replace("~0", "~");
      embedded |= isResource(at);
      Object next =
          switch (at) {
            case Map<?, ?> m -> m.get(key);
            case List<?> l when key.matches("[0-9]{1,6}") && Integer.parseInt(key) < l.size() ->
                l.get(Integer.parseInt(key));
            default -> null;
          };
      if (next == null) {
        throw GrammarException.invalid(
            "%s: expected %s in the schema, found nothing"
                .formatted(Budget.where(place), JsonText.quote(ref)));
      }
      at = next;
    }
    if (embedded && refers(at)) {
      throw embedded(place);
    }
    return at;
  }

  /// The JSON pointer of a reference, without what a URI escapes.
  private static String pointer(String ref, String place) {
    try {
      return URLDecoder.decode(ref.substring(1).replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw GrammarException.invalid(
          Budget.where(place)
              + ": expected two hexadecimal digits behind each %, found "
              + JsonText.quote(ref));
    }
  }

  private static void hint(
      Shape shape, Map<String, Object> map, JsonType type, String... keywords) {
    for (String keyword : keywords) {
      if (map.containsKey(keyword)) {
        shape.hints.add(type);
        return;
      }
    }
  }

  private static int count(Map<String, Object> map, String keyword, int otherwise, String place) {
    BigDecimal value = number(map, keyword, place);
    if (value == null) {
      return otherwise;
    }
    if (value.signum() < 0 || value.setScale(0, RoundingMode.FLOOR).compareTo(value) != 0) {
      throw expected("a whole number of at least 0", place + "/" + keyword, value);
    }
    return value.min(BigDecimal.valueOf(Shape.UNBOUNDED)).intValue();
  }

  private static @Nullable BigDecimal number(
      Map<String, Object> map, String keyword, String place) {
    Object value = map.get(keyword);
    return value == null ? null : decimal(value, place + "/" + keyword);
  }

  private static BigDecimal decimal(Object value, String place) {
    if (value instanceof BigDecimal n) {
      return n;
    }
    throw expected("a number", place, value);
  }

  private static String string(Object value, String place) {
    if (value instanceof String s) {
      return s;
    }
    throw expected("a string", place, value);
  }

  private static List<Object> list(Map<String, Object> map, String keyword, String place) {
    Object value = map.get(keyword);
    if (value == null) {
      return List.of();
    }
    if (value instanceof List<?> list && !list.isEmpty()) {
      return new ArrayList<>(list);
    }
    throw expected("a list that is not empty", place + "/" + keyword, value);
  }

  @SuppressWarnings("unchecked") // JsonText makes maps with String keys only
  static Map<String, Object> map(Object value, String place) {
    if (value instanceof Map<?, ?> m) {
      return (Map<String, Object>) m;
    }
    throw expected("an object", place, value);
  }

  private static GrammarException expected(String what, String place, Object found) {
    String told =
        switch (found) {
          case Map<?, ?> _ -> "an object";
          case List<?> list -> list.isEmpty() ? "an empty list" : "a list";
          case String s when s.length() > MAX_TOLD ->
              "a string of %d characters".formatted(s.length());
          default -> JsonText.write(found);
        };
    return GrammarException.invalid(
        "%s: expected %s, found %s".formatted(Budget.where(place), what, told));
  }
}
