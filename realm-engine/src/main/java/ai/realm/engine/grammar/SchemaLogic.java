package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What can be told of shapes without making text: whether a value is valid, and whether two shapes have
/// no value in common.
final class SchemaLogic {
  private static final int MAX_DEPTH = 8;

  private final SchemaReader reader;
  private final Budget budget;

  /// Schemas that a value is held against, each of one that the one before refers to or contains.
  private int depth;

  SchemaLogic(SchemaReader reader, Budget budget) {
    this.reader = reader;
    this.budget = budget;
  }

  /// Whether a value is valid.
  boolean isValid(Object value, Shape shape) {
    List<Object> values = shape.values;
    return (values == null || values.stream().anyMatch(v -> JsonText.same(v, value)))
        && isOtherwiseValid(value, shape);
  }

  /// Whether one of a shape's values is valid by what else it asks for.
  boolean isOtherwiseValid(Object value, Shape shape) {
    budget.work(64);
    EnumSet<JsonType> types = shape.types;
    if (types != null && types.stream().noneMatch(t -> t.contains(value))) {
      return false;
    }
    boolean valid =
        switch (value) {
          case BigDecimal n -> isNumberValid(n, shape);
          case String s -> isTextValid(s, shape);
          case List<?> list -> areItemsValid(list, shape);
          case Map<?, ?> map -> areMembersValid(map, shape);
          default -> true;
        };
    // Loops, as this calls itself and a guest's stack is small.
    for (int i = 0; valid && i < shape.pending.size(); i++) {
      valid = isOneValid(value, shape.pending.get(i));
    }
    return valid;
  }

  private boolean isValid(Object value, @Nullable Object schema, String place) {
    budget.time();
    if (schema == null) {
      return true;
    }
    budget.depth(++depth);
    boolean valid = isValid(value, reader.read(schema, place));
    depth--;
    return valid;
  }

  private boolean isOneValid(Object value, Shape.Alternatives alternatives) {
    int valid = 0;
    for (Object schema : alternatives.schemas()) {
      valid += isValid(value, schema, alternatives.place()) ? 1 : 0;
    }
    return alternatives.exclusive() ? valid == 1 : valid > 0;
  }

  private static boolean isNumberValid(BigDecimal n, Shape shape) {
    BigDecimal divisor = shape.multipleOf;
    return shape.range.contains(n) && (divisor == null || n.remainder(divisor).signum() == 0);
  }

  private boolean isTextValid(String s, Shape shape) {
    int length = s.codePointCount(0, s.length());
    if (length < shape.minLength || length > shape.maxLength) {
      return false;
    }
    for (Map.Entry<String, String> pattern : shape.patterns.entrySet()) {
      RuleSet rules = new RuleSet(budget);
      Expr body = RegexParser.parse(pattern.getKey(), pattern.getValue(), budget);
      rules.root(rules.rule("root", body).rule());
      Automaton automaton = AutomatonBuilder.build(rules);
      if (!Grammar.matches(automaton, s.getBytes(StandardCharsets.UTF_8))) {
        return false;
      }
    }
    return true;
  }

  private boolean areItemsValid(List<?> list, Shape shape) {
    if (list.size() < shape.minItems || list.size() > shape.maxItems) {
      return false;
    }
    for (int i = 0; i < list.size(); i++) {
      Object schema = i < shape.prefix.size() ? shape.prefix.get(i) : shape.items;
      if (!isValid(list.get(i), schema, shape.place + "/items")) {
        return false;
      }
      for (int k = 0; shape.unique && k < i; k++) {
        if (JsonText.same(list.get(i), list.get(k))) {
          return false;
        }
      }
    }
    return true;
  }

  private boolean areMembersValid(Map<?, ?> map, Shape shape) {
    if (map.size() < shape.minProperties
        || map.size() > shape.maxProperties
        || !map.keySet().containsAll(shape.required)) {
      return false;
    }
    for (Map.Entry<?, ?> e : map.entrySet()) {
      Object schema =
          shape.properties.containsKey(String.valueOf(e.getKey()))
              ? shape.properties.get(String.valueOf(e.getKey()))
              : shape.additional;
      if (!isValid(e.getValue(), schema, shape.place + "/properties")) {
        return false;
      }
    }
    return true;
  }

  /// All values of a shape, where they are few.
  List<Object> finiteValues(Shape shape) {
    if (shape.values != null && shape.pending.isEmpty()) {
      return shape.values.stream().filter(v -> isOtherwiseValid(v, shape)).toList();
    }
    List<Object> all = new ArrayList<>();
    EnumSet<JsonType> types = shape.types;
    if (types == null || types.isEmpty() || !shape.pending.isEmpty()) {
      return all;
    }
    for (JsonType type : types) {
      switch (type) {
        case BOOLEAN -> {
          all.add(Boolean.TRUE);
          all.add(Boolean.FALSE);
        }
        case NULL -> all.add(JsonText.NULL);
        case OBJECT, ARRAY, STRING, NUMBER, INTEGER -> {
          return List.of();
        }
      }
    }
    return all;
  }

  /// Those of `oneOf`'s schemas whose texts are surely invalid under all others.
  ///
  /// @throws GrammarException when there is none
  List<Object> exclusive(Shape base, Shape.Alternatives alternatives) {
    List<Object> schemas = alternatives.schemas();
    List<Shape> valid = new ArrayList<>();
    List<Shape> made = new ArrayList<>();
    for (int i = 0; i < schemas.size(); i++) {
      String place = alternatives.place() + "/" + i;
      valid.add(reader.read(schemas.get(i), place));
      Shape both = new Shape(base);
      both.pending.clear();
      reader.add(both, schemas.get(i), place, 0);
      made.add(both);
    }
    List<Object> out = new ArrayList<>();
    for (int i = 0; i < schemas.size(); i++) {
      boolean alone = true;
      for (int k = 0; k < schemas.size() && alone; k++) {
        alone = i == k || isDisjoint(made.get(i), valid.get(k), 0);
      }
      if (alone) {
        out.add(schemas.get(i));
      }
    }
    if (out.isEmpty()) {
      throw GrammarException.unsupported(
          "%s: expected an alternative that surely excludes the others, found none"
              .formatted(Budget.where(alternatives.place())));
    }
    return out;
  }

  /// Whether what is made for one shape is surely invalid under another.
  private boolean isDisjoint(Shape made, Shape other, int depth) {
    budget.time();
    if (depth > MAX_DEPTH) {
      return false;
    }
    List<Object> values = made.values;
    if (values != null) {
      return values.stream().noneMatch(v -> isValid(v, made) && isValid(v, other));
    }
    List<Object> others = other.values;
    if (others != null && others.stream().noneMatch(v -> isValid(v, made))) {
      return true;
    }
    EnumSet<JsonType> allowed = other.types;
    for (JsonType type : made.madeTypes()) {
      boolean possible =
          allowed == null
              || allowed.contains(type)
              || type == JsonType.INTEGER && allowed.contains(JsonType.NUMBER)
              || type == JsonType.NUMBER && allowed.contains(JsonType.INTEGER);
      if (possible && !isDisjoint(made, other, type, depth)) {
        return false;
      }
    }
    return true;
  }

  private boolean isDisjoint(Shape made, Shape other, JsonType type, int depth) {
    return switch (type) {
      case OBJECT -> areMembersDisjoint(made, other, depth);
      case ARRAY ->
          made.minItems > other.maxItems
              || made.maxItems < other.minItems
              || made.prefix.isEmpty()
                  && made.minItems > 0
                  && made.items != null
                  && areDisjoint(
                      made.items,
                      other.prefix.isEmpty() ? other.items : other.prefix.getFirst(),
                      made,
                      depth);
      case STRING -> made.minLength > other.maxLength || made.maxLength < other.minLength;
      case NUMBER, INTEGER -> made.range.isDisjointFrom(other.range);
      case BOOLEAN, NULL -> false;
    };
  }

  private boolean areMembersDisjoint(Shape made, Shape other, int depth) {
    Object additional = made.additional;
    boolean closed =
        Boolean.FALSE.equals(additional)
            || additional == null && !(made.properties.isEmpty() && made.required.isEmpty());
    for (String name : other.required) {
      if (closed && !made.properties.containsKey(name) && !made.required.contains(name)) {
        return true;
      }
    }
    for (String name : made.required) {
      Object here = made.properties.containsKey(name) ? made.properties.get(name) : additional;
      Object there =
          other.properties.containsKey(name) ? other.properties.get(name) : other.additional;
      if (areDisjoint(here, there, made, depth)) {
        return true;
      }
    }
    return false;
  }

  private boolean areDisjoint(@Nullable Object made, @Nullable Object other, Shape at, int depth) {
    if (Boolean.FALSE.equals(other)) {
      return true;
    }
    if (made == null || other == null) {
      return false;
    }
    Shape x = reader.read(made, at.place);
    return isDisjoint(x, reader.read(other, at.place), depth + 1);
  }
}
