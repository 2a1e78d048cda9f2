package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/// The types of JSON Schema.
enum JsonType {
  OBJECT,
  ARRAY,
  STRING,
  NUMBER,
  INTEGER,
  BOOLEAN,
  NULL;

  static JsonType named(String name, String place) {
    return switch (name) {
      case "object" -> OBJECT;
      case "array" -> ARRAY;
      case "string" -> STRING;
      case "number" -> NUMBER;
      case "integer" -> INTEGER;
      case "boolean" -> BOOLEAN;
      case "null" -> NULL;
      default ->
          throw GrammarException.invalid(
              "schema %s/type: expected a type of JSON Schema, found %s"
                  .formatted(place, JsonText.quote(name)));
    };
  }

  boolean contains(Object value) {
    return switch (this) {
      case OBJECT -> value instanceof Map<?, ?>;
      case ARRAY -> value instanceof List<?>;
      case STRING -> value instanceof String;
      case NUMBER -> value instanceof BigDecimal;
      case INTEGER -> value instanceof BigDecimal n && n.stripTrailingZeros().scale() <= 0;
      case BOOLEAN -> value instanceof Boolean;
      case NULL -> value == JsonText.NULL;
    };
  }
}
