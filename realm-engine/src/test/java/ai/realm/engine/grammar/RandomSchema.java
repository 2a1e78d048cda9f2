package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;

/// Seeded schemas of the supported keywords.
final class RandomSchema {
  private static final String[] NAMES = {"a", "ab", "name", "größe", "x y", "q\"t", "n1", "id"};

  private final SplittableRandom random;

  RandomSchema(SplittableRandom random) {
    this.random = random;
  }

  String next() {
    String schema = schema(3);
    return random.nextInt(10) == 0
        ? "{\"$defs\":{\"d\":%s},\"type\":\"object\",\"properties\":{\"r\":{\"$ref\":\"#/$defs/d\"},\"s\":{\"$ref\":\"#/$defs/d\"}},\"required\":[\"s\"]}"
            .formatted(schema)
        : schema;
  }

  private String schema(int depth) {
    return switch (random.nextInt(depth > 0 ? 14 : 8)) {
      case 0 -> "{\"type\":\"string\"%s}".formatted(range("minLength", "maxLength", 0, 12));
      case 1 -> "{\"type\":\"integer\"%s}".formatted(range("minimum", "maximum", -2000, 2000));
      case 2 -> "{\"type\":\"number\"%s}".formatted(range("minimum", "maximum", -20, 20));
      case 3 -> "{\"type\":[\"boolean\",\"null\"]}";
      case 4 -> "{\"enum\":[1,\"é\\\"\",null,[true,{\"k\":2}],-0.5]}";
      case 5 -> "{\"const\":{\"x\":[1,\"\\n\"]}}";
      case 6 ->
          "{\"type\":\"string\",\"pattern\":\"%s\"}"
              .formatted(
                  new String[] {"^[A-Z]{2}-\\\\d{3,4}$", "^(foo|ba[rz])+$", "x+y", "^\\\\s?\\\"?$"}
                      [random.nextInt(4)]);
      case 7 ->
          "{\"type\":\"string\",\"format\":\"%s\"}"
              .formatted(
                  new String[] {"date", "time", "date-time", "uuid", "ipv4"}[random.nextInt(5)]);
      case 8, 9, 10 -> object(depth);
      case 11 ->
          "{\"type\":\"array\",\"items\":%s%s}"
              .formatted(schema(depth - 1), range("minItems", "maxItems", 0, 4));
      case 12 ->
          "{\"type\":\"array\",\"prefixItems\":[%s,%s]}".formatted(schema(depth - 1), schema(0));
      default -> "{\"anyOf\":[%s,%s]}".formatted(schema(depth - 1), schema(depth - 1));
    };
  }

  private String object(int depth) {
    List<String> names = new ArrayList<>();
    for (String name : NAMES) {
      if (random.nextInt(3) == 0) {
        names.add(JsonText.quote(name));
      }
    }
    String properties =
        names.stream().map(n -> n + ":" + schema(depth - 1)).collect(Collectors.joining(","));
    String required =
        names.stream().filter(n -> random.nextBoolean()).collect(Collectors.joining(","));
    String additional =
        switch (random.nextInt(4)) {
          case 0 -> ",\"additionalProperties\":false";
          case 1 -> ",\"additionalProperties\":" + schema(0);
          default -> "";
        };
    return "{\"type\":\"object\",\"properties\":{%s},\"required\":[%s]%s}"
        .formatted(properties, required, additional);
  }

  private String range(String least, String most, int from, int to) {
    int a = random.nextInt(from, to + 1);
    int b = random.nextInt(a, to + 1);
    return switch (random.nextInt(4)) {
      case 0 -> "";
      case 1 -> ",\"%s\":%d".formatted(least, a);
      case 2 -> ",\"%s\":%d".formatted(most, b);
      default -> ",\"%s\":%d,\"%s\":%d".formatted(least, a, most, b);
    };
  }
}
