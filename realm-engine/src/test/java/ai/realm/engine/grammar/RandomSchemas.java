package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;

/// Schemas that have instances, of all keywords that are enforced. The same seed gives the same schema.
final class RandomSchemas {
  private static final List<String> NAMES =
      List.of("name", "id", "n", "na", "größe", "a b", "quote\"d", "tags", "kind", "x");
  private static final List<String> PATTERNS =
      List.of(
          "^[a-z]+$",
          "^[A-Z]{2}-\\d{3,4}$",
          "foo",
          "^(yes|no)\\b*$".replace("\\b*", ""),
          "^\\w+@\\w+\\.com$",
          "[0-9]$",
          "^[^\"\\\\]*$",
          "^(a|bc)*d?$",
          "^é.{2}$");
  private static final List<String> FORMATS =
      List.of("date", "time", "date-time", "uuid", "ipv4", "ipv6", "email", "hostname", "uri");

  private final RandomGenerator random;
  private int references;

  RandomSchemas(RandomGenerator random) {
    this.random = random;
  }

  String next() {
    references = 0;
    Map<String, Object> schema = new LinkedHashMap<>();
    Object body = schema(3);
    if (references > 0) {
      schema.put("$defs", Map.of("node", node(), "leaf", leaf()));
    }
    if (body instanceof Map<?, ?> map) {
      map.forEach((k, v) -> schema.put(String.valueOf(k), v));
    }
    return JsonText.write(schema);
  }

  private Object node() {
    Map<String, Object> next =
        map("anyOf", List.of(map("type", "null"), map("$ref", "#/$defs/node")));
    return map(
        "type",
        "object",
        "properties",
        map("v", leaf(), "next", next),
        "required",
        List.of("next"),
        "additionalProperties",
        false);
  }

  private boolean chance(double p) {
    return random.nextDouble() < p;
  }

  private static Map<String, Object> map(Object... pairs) {
    Map<String, Object> out = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      out.put((String) pairs[i], pairs[i + 1]);
    }
    return out;
  }

  private <T> T any(List<T> list) {
    return list.get(random.nextInt(list.size()));
  }

  private Object schema(int depth) {
    if (depth <= 0) {
      return leaf();
    }
    return switch (random.nextInt(10)) {
      case 0, 1, 2, 3 -> object(depth);
      case 4, 5 -> array(depth);
      case 6 -> alternatives(depth);
      case 7 -> map("allOf", List.of(object(depth - 1), map("required", List.of(any(NAMES)))));
      case 8 -> {
        references++;
        yield map("$ref", chance(0.5) ? "#/$defs/node" : "#/$defs/leaf");
      }
      default -> leaf();
    };
  }

  private Map<String, Object> alternatives(int depth) {
    return switch (random.nextInt(4)) {
      case 0 -> map("anyOf", List.of(schema(depth - 1), schema(depth - 1)));
      case 1 -> map("oneOf", List.of(tagged("cat", depth), tagged("dog", depth)));
      case 2 -> map("oneOf", List.of(map("type", "string", "maxLength", 3), map("type", "null")));
      default ->
          map(
              "type",
              "object",
              "properties",
              map("shared", leaf()),
              "anyOf",
              List.of(
                  map("properties", map("a", leaf()), "required", List.of("a")),
                  map("properties", map("b", leaf()), "required", List.of("b"))));
    };
  }

  private Map<String, Object> tagged(String kind, int depth) {
    return map(
        "type",
        "object",
        "properties",
        map("kind", map("const", kind), "body", schema(depth - 1)),
        "required",
        List.of("kind"));
  }

  private Map<String, Object> object(int depth) {
    Map<String, Object> properties = new LinkedHashMap<>();
    List<Object> required = new ArrayList<>();
    int n = random.nextInt(6);
    for (int i = 0; i < n; i++) {
      String name = any(NAMES);
      properties.put(name, schema(depth - 1));
      if (chance(0.5) && !required.contains(name)) {
        required.add(name);
      }
    }
    Map<String, Object> out = map("type", "object", "properties", properties);
    if (!required.isEmpty()) {
      out.put("required", required);
    }
    switch (random.nextInt(5)) {
      case 0 -> out.put("additionalProperties", false);
      case 1 -> out.put("additionalProperties", true);
      case 2 -> out.put("additionalProperties", leaf());
      default -> {}
    }
    if (chance(0.2)) {
      out.put("minProperties", Math.min(properties.size(), 1 + random.nextInt(3)));
    }
    if (chance(0.2)) {
      out.put("maxProperties", properties.size() + random.nextInt(2));
    }
    return out;
  }

  private Map<String, Object> array(int depth) {
    Map<String, Object> out = map("type", "array");
    if (chance(0.15)) {
      return map(
          "type",
          "array",
          "uniqueItems",
          true,
          "items",
          map("enum", List.of("red", "green", 3, true)),
          "minItems",
          random.nextInt(4));
    }
    if (chance(0.2)) {
      out.put("prefixItems", List.of(leaf(), schema(depth - 1)));
    }
    if (chance(0.8)) {
      out.put("items", schema(depth - 1));
    }
    int min = random.nextInt(4);
    if (chance(0.4)) {
      out.put("minItems", min);
    }
    if (chance(0.4)) {
      out.put("maxItems", min + 1 + random.nextInt(6));
    }
    return out;
  }

  private Map<String, Object> leaf() {
    return switch (random.nextInt(9)) {
      case 0 -> map("type", "boolean");
      case 1 -> integer();
      case 2, 3 -> number();
      case 4 -> map("enum", List.of("red", "grün", 4.5, false, List.of(1, "x"), map("k", "v")));
      case 5 -> map("type", "string", "format", any(FORMATS));
      case 6 -> map("type", "string", "pattern", any(PATTERNS));
      case 7 -> map("type", List.of("string", "integer", "null"));
      default -> string();
    };
  }

  private Map<String, Object> string() {
    int min = random.nextInt(30);
    Map<String, Object> out = map("type", "string", "minLength", min);
    if (chance(0.7)) {
      out.put("maxLength", min + random.nextInt(60));
    }
    if (chance(0.2)) {
      out.put("pattern", "^[a-zé]*$");
    }
    return out;
  }

  private Map<String, Object> integer() {
    int min = random.nextInt(-2000, 2000);
    Map<String, Object> out = map("type", "integer");
    if (chance(0.6)) {
      out.put(chance(0.5) ? "minimum" : "exclusiveMinimum", min);
    }
    if (chance(0.6)) {
      out.put(chance(0.5) ? "maximum" : "exclusiveMaximum", min + 20 + random.nextInt(5000));
    }
    if (chance(0.3)) {
      out.put("multipleOf", any(List.of(2, 3, 7, 10)));
    }
    return out;
  }

  private Map<String, Object> number() {
    double min = Math.round(random.nextDouble(-50, 50) * 1000) / 1000.0;
    Map<String, Object> out = map("type", "number");
    if (chance(0.7)) {
      out.put(chance(0.5) ? "minimum" : "exclusiveMinimum", min);
    }
    if (chance(0.7)) {
      double max = Math.round((min + random.nextDouble(0.01, 30)) * 1000) / 1000.0;
      out.put(chance(0.5) ? "maximum" : "exclusiveMaximum", max);
      if (chance(0.4)) {
        out.put("multipleOf", any(List.of(0.001, 0.002, 0.005)));
      }
    } else if (chance(0.5)) {
      out.put("multipleOf", any(List.of(0.01, 0.25, 0.5, 2.5, 3, 0.00000001)));
    }
    if (chance(0.1)) {
      // An identifier changes nothing where there is no reference.
      out.put("$id", "urn:number:" + random.nextInt(1_000_000));
    }
    return out;
  }
}
