package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Schemas that must hold together as one schema, where that can be said.
final class SchemaMerger {
  private static final Set<String> ANNOTATIONS =
      Set.of(
          "title",
          "description",
          "default",
          "examples",
          "$schema",
          "$id",
          "$comment",
          "$defs",
          "definitions",
          "deprecated",
          "readOnly",
          "writeOnly");

  /// The schema of values that satisfy both.
  ObjectNode merge(JsonNode left, JsonNode right, String path) {
    if (right.isBoolean() && right.booleanValue() && left instanceof ObjectNode o) {
      return o;
    }
    if (!(left instanceof ObjectNode a) || !(right instanceof ObjectNode b)) {
      throw GrammarException.unsupported(
          "schema at " + path + ": expected schemas that can be merged, found a boolean");
    }
    ObjectNode merged = a.deepCopy();
    for (Map.Entry<String, JsonNode> e : b.properties()) {
      String key = e.getKey();
      if (ANNOTATIONS.contains(key)) {
        continue;
      }
      JsonNode mine = merged.get(key);
      merged.set(key, mine == null ? e.getValue() : both(key, mine, e.getValue(), path));
    }
    return merged;
  }

  private JsonNode both(String key, JsonNode a, JsonNode b, String path) {
    if (a.equals(b)) {
      return a;
    }
    return switch (key) {
      case "properties" -> {
        ObjectNode all = ((ObjectNode) a).deepCopy();
        for (Map.Entry<String, JsonNode> e : b.properties()) {
          JsonNode mine = all.get(e.getKey());
          all.set(e.getKey(), mine == null ? e.getValue() : allOf(mine, e.getValue()));
        }
        yield all;
      }
      case "required" -> {
        Set<JsonNode> names = new LinkedHashSet<>();
        a.forEach(names::add);
        b.forEach(names::add);
        ArrayNode all = JsonMapper.shared().createArrayNode();
        names.forEach(all::add);
        yield all;
      }
      case "type" -> {
        ArrayNode common = JsonMapper.shared().createArrayNode();
        Set<String> other = types(b);
        for (String type : types(a)) {
          if (other.contains(type)) {
            common.add(type);
          } else if (type.equals("integer") && other.contains("number")) {
            common.add("integer");
          } else if (type.equals("number") && other.contains("integer")) {
            common.add("integer");
          }
        }
        if (common.isEmpty()) {
          throw conflict(key, path);
        }
        yield common;
      }
      case "minimum", "exclusiveMinimum", "minLength", "minItems" -> larger(a, b, true);
      case "maximum", "exclusiveMaximum", "maxLength", "maxItems" -> larger(a, b, false);
      case "additionalProperties" -> {
        if (a.isBoolean()) {
          yield a.booleanValue() ? b : a;
        }
        yield b.isBoolean() ? b.booleanValue() ? a : b : allOf(a, b);
      }
      case "items" -> allOf(a, b);
      case "allOf" -> {
        ArrayNode all = ((ArrayNode) a).deepCopy();
        b.forEach(all::add);
        yield all;
      }
      case "enum" -> {
        Set<JsonNode> other = new HashSet<>();
        b.forEach(other::add);
        ArrayNode common = JsonMapper.shared().createArrayNode();
        for (JsonNode v : a) {
          if (other.contains(v)) {
            common.add(v);
          }
        }
        yield common;
      }
      default -> throw conflict(key, path);
    };
  }

  private static GrammarException conflict(String key, String path) {
    return GrammarException.unsupported(
        "schema at %s: two values of %s that must hold together are not supported"
            .formatted(path, key));
  }

  private static ObjectNode allOf(JsonNode a, JsonNode b) {
    ObjectNode both = JsonMapper.shared().createObjectNode();
    both.putArray("allOf").add(a).add(b);
    return both;
  }

  private static JsonNode larger(JsonNode a, JsonNode b, boolean larger) {
    BigDecimal x = a.decimalValue();
    BigDecimal y = b.decimalValue();
    return x.compareTo(y) >= 0 == larger ? a : b;
  }

  private static Set<String> types(JsonNode type) {
    Set<String> types = new LinkedHashSet<>();
    if (type.isArray()) {
      type.forEach(t -> types.add(t.asString()));
    } else {
      types.add(type.asString());
    }
    return types;
  }

  /// Whether the texts made for one schema never satisfy the other, as far as can be told: by values,
  /// by types, or by a property that one requires and the other does not have.
  static boolean disjoint(JsonNode a, JsonNode b) {
    Set<JsonNode> left = values(a);
    Set<JsonNode> right = values(b);
    if (!left.isEmpty() && !right.isEmpty()) {
      return left.stream().noneMatch(right::contains);
    }
    if (a.has("type") && b.has("type")) {
      Set<String> common = new HashSet<>(types(a.get("type")));
      Set<String> other = types(b.get("type"));
      boolean numbers =
          (common.contains("integer") && other.contains("number"))
              || (common.contains("number") && other.contains("integer"));
      common.retainAll(other);
      if (common.isEmpty() && !numbers) {
        return true;
      }
      if (common.equals(Set.of("object")) && !numbers) {
        return tellable(a, b) || (lacksRequired(a, b) && lacksRequired(b, a));
      }
    }
    return false;
  }

  /// Whether a property that both require has values that differ.
  private static boolean tellable(JsonNode a, JsonNode b) {
    for (JsonNode name : a.path("required")) {
      boolean both = false;
      for (JsonNode other : b.path("required")) {
        both |= name.equals(other);
      }
      Set<JsonNode> left = values(a.path("properties").path(name.asString()));
      Set<JsonNode> right = values(b.path("properties").path(name.asString()));
      if (both && !left.isEmpty() && !right.isEmpty() && left.stream().noneMatch(right::contains)) {
        return true;
      }
    }
    return false;
  }

  /// Whether `other` requires a property that texts made for `schema` never have.
  private static boolean lacksRequired(JsonNode schema, JsonNode other) {
    JsonNode additional = schema.path("additionalProperties");
    boolean open =
        additional.isMissingNode()
            ? schema.path("properties").isEmpty()
            : !additional.isBoolean() || additional.booleanValue();
    if (open) {
      return false;
    }
    for (JsonNode name : other.path("required")) {
      if (!schema.path("properties").has(name.asString())) {
        return true;
      }
    }
    return false;
  }

  private static Set<JsonNode> values(JsonNode schema) {
    Set<JsonNode> values = new HashSet<>();
    if (schema.has("const")) {
      values.add(schema.get("const"));
    } else if (schema.has("enum")) {
      schema.get("enum").forEach(values::add);
    }
    return values;
  }
}
