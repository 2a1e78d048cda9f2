package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// JSON Schema (draft 2020-12) as a grammar of texts that it validates. The grammar is narrower than the
/// schema where that costs nothing: properties come in the order given, or the required ones first,
/// none that the schema does not name unless `additionalProperties` asks for them. A keyword that restricts values and is not
/// supported is an error, never ignored.
final class JsonSchemaConverter {
  private static final Set<String> UNSUPPORTED =
      Set.of(
          "not",
          "if",
          "then",
          "else",
          "patternProperties",
          "propertyNames",
          "dependentRequired",
          "dependentSchemas",
          "dependencies",
          "minProperties",
          "maxProperties",
          "multipleOf",
          "contains",
          "minContains",
          "maxContains",
          "unevaluatedItems",
          "unevaluatedProperties",
          "$dynamicRef",
          "$recursiveRef");

  private static final Set<String> RESTRICTING =
      Set.of(
          "type",
          "enum",
          "const",
          "properties",
          "required",
          "additionalProperties",
          "items",
          "prefixItems",
          "minItems",
          "maxItems",
          "minLength",
          "maxLength",
          "pattern",
          "format",
          "minimum",
          "maximum",
          "exclusiveMinimum",
          "exclusiveMaximum",
          "anyOf",
          "oneOf",
          "allOf",
          "$ref",
          "uniqueItems");

  private static final int MAX_DEPTH = 64;

  private final JsonNode root;
  private final Map<String, Node> rules = new LinkedHashMap<>();
  private final SchemaMerger merger = new SchemaMerger();
  private int depth;

  private JsonSchemaConverter(JsonNode root) {
    this.root = root;
  }

  static Map<String, Node> convert(String source) {
    JsonNode schema;
    try {
      schema = JsonMapper.shared().readTree(source);
    } catch (JacksonException e) {
      throw GrammarException.invalid("schema: expected JSON, found: " + e.getOriginalMessage());
    }
    JsonSchemaConverter converter = new JsonSchemaConverter(schema);
    converter.addCommonRules();
    converter.rules.put("root", converter.visit(schema, "#"));
    return converter.rules;
  }

  private void addCommonRules() {
    Node ws = new Node.Rule("ws");
    Node value = new Node.Rule("value");
    Node comma = Node.sequence(ws, Node.text(","), ws);
    Node member = Node.sequence(new Node.Rule("string"), ws, Node.text(":"), ws, value);
    rules.put("ws", JsonPieces.whiteSpace());
    rules.put("char", JsonPieces.character());
    rules.put("string", JsonPieces.string(0, -1));
    rules.put("integer", JsonPieces.integer());
    rules.put("number", JsonPieces.number());
    rules.put("object", bracketed("{", member, comma, 0, -1, "}"));
    rules.put("array", bracketed("[", value, comma, 0, -1, "]"));
    rules.put(
        "value",
        Node.choice(
            new Node.Rule("object"),
            new Node.Rule("array"),
            new Node.Rule("string"),
            new Node.Rule("number"),
            Node.text("true"),
            Node.text("false"),
            Node.text("null")));
  }

  private static Node bracketed(
      String open, Node item, Node comma, int min, int max, String close) {
    Node ws = new Node.Rule("ws");
    Node list =
        Node.sequence(
            item,
            new Node.Repeat(
                Node.sequence(comma, item), Math.max(0, min - 1), max < 0 ? -1 : max - 1));
    Node content = max == 0 ? Node.EMPTY : min == 0 ? Node.optional(list) : list;
    return Node.sequence(Node.text(open), ws, content, ws, Node.text(close));
  }

  private static GrammarException unsupported(String path, String what) {
    return GrammarException.unsupported("schema at " + path + ": " + what + " is not supported");
  }

  private static GrammarException invalid(String path, String expected, JsonNode found) {
    return GrammarException.invalid(
        "schema at %s: expected %s, found %s"
            .formatted(
                path, expected, found.getNodeType().name().toLowerCase(java.util.Locale.ROOT)));
  }

  // ---- schemas
  // ------------------------------------------------------------------------------------

  private Node visit(JsonNode schema, String path) {
    if (++depth > MAX_DEPTH) {
      throw GrammarException.limit(
          "schema at " + path + ": expected at most " + MAX_DEPTH + " nested schemas");
    }
    Node node = visitSchema(schema, path);
    depth--;
    return node;
  }

  private Node visitSchema(JsonNode schema, String path) {
    if (schema.isBoolean()) {
      if (schema.booleanValue()) {
        return new Node.Rule("value");
      }
      throw unsupported(path, "a schema that nothing satisfies");
    }
    if (!(schema instanceof ObjectNode object)) {
      throw invalid(path, "an object or a boolean", schema);
    }
    for (String key : object.propertyNames()) {
      if (UNSUPPORTED.contains(key)) {
        throw unsupported(path, "the keyword " + key);
      }
    }
    if (object.path("uniqueItems").asBoolean(false)) {
      throw unsupported(path, "the keyword uniqueItems");
    }
    if (object.has("$ref")) {
      return reference(object, path);
    }
    if (object.has("allOf")) {
      ObjectNode merged = without(object, "allOf");
      for (JsonNode part : object.get("allOf")) {
        merged = merger.merge(merged, resolved(part, path + "/allOf"), path);
      }
      return visit(merged, path);
    }
    if (object.has("anyOf") || object.has("oneOf")) {
      return alternatives(object, object.has("anyOf") ? "anyOf" : "oneOf", path);
    }
    if (object.has("const")) {
      return literal(object.get("const"));
    }
    if (object.has("enum")) {
      List<Node> options = new ArrayList<>();
      object.get("enum").forEach(v -> options.add(literal(v)));
      if (options.isEmpty()) {
        throw invalid(path + "/enum", "at least one value", object.get("enum"));
      }
      return new Node.Choice(options);
    }
    return typed(object, path);
  }

  private static ObjectNode without(ObjectNode object, String key) {
    ObjectNode copy = object.deepCopy();
    copy.remove(key);
    return copy;
  }

  private static boolean restricts(ObjectNode object) {
    return object.propertyNames().stream().anyMatch(RESTRICTING::contains);
  }

  private Node reference(ObjectNode object, String path) {
    String pointer = object.get("$ref").asString();
    ObjectNode siblings = without(object, "$ref");
    if (restricts(siblings)) {
      return visit(merger.merge(siblings, resolved(object, path), path), path);
    }
    String name = "ref " + pointer;
    if (!rules.containsKey(name)) {
      rules.put(name, Node.EMPTY);
      int outer = depth;
      depth = 0;
      rules.put(name, visit(lookUp(pointer, path), pointer));
      depth = outer;
    }
    return new Node.Rule(name);
  }

  private JsonNode lookUp(String pointer, String path) {
    if (!pointer.equals("#") && !pointer.startsWith("#/")) {
      throw unsupported(path, "the reference " + pointer + " to another document");
    }
    JsonNode target = root;
    if (pointer.length() > 2) {
      for (String part : pointer.substring(2).split("/", -1)) {
        String key =
            java.net.URLDecoder.decode(
                    part.replace("+", "%2B"), java.nio.charset.StandardCharsets.UTF_8)
                .replace("~1", "/")
                .replace("~0", "~");
        target =
            target.isArray() && key.matches("\\d{1,6}")
                ? target.path(Integer.parseInt(key))
                : target.path(key);
      }
    }
    if (target.isMissingNode()) {
      throw GrammarException.invalid(
          "schema at %s: expected a schema at %s, found none".formatted(path, pointer));
    }
    return target;
  }

  /// A part of `allOf`, or what a reference points to.
  private JsonNode resolved(JsonNode part, String path) {
    Set<String> seen = new LinkedHashSet<>();
    JsonNode schema = part;
    while (schema instanceof ObjectNode o && o.has("$ref")) {
      String pointer = o.get("$ref").asString();
      if (!seen.add(pointer)) {
        throw GrammarException.invalid("schema at " + path + ": " + pointer + " refers to itself");
      }
      JsonNode target = lookUp(pointer, path);
      ObjectNode siblings = without(o, "$ref");
      schema = o == part || !restricts(siblings) ? target : merger.merge(siblings, target, path);
    }
    return schema;
  }

  private Node alternatives(ObjectNode object, String keyword, String path) {
    ObjectNode base = without(object, keyword);
    List<JsonNode> options = new ArrayList<>();
    for (JsonNode option : object.get(keyword)) {
      options.add(restricts(base) ? merger.merge(base, resolved(option, path), path) : option);
    }
    if (options.isEmpty()) {
      throw invalid(path + "/" + keyword, "at least one schema", object.get(keyword));
    }
    if (keyword.equals("oneOf")) {
      List<JsonNode> targets = options.stream().map(o -> resolved(o, path)).toList();
      for (int i = 0; i < targets.size(); i++) {
        for (int j = 0; j < i; j++) {
          if (!SchemaMerger.disjoint(targets.get(i), targets.get(j))) {
            throw unsupported(
                path, "oneOf with alternatives " + j + " and " + i + ", which may both hold,");
          }
        }
      }
    }
    List<Node> nodes = new ArrayList<>();
    for (int i = 0; i < options.size(); i++) {
      nodes.add(visit(options.get(i), path + "/" + keyword + "/" + i));
    }
    return new Node.Choice(nodes);
  }

  private Node typed(ObjectNode object, String path) {
    JsonNode type = object.get("type");
    if (type == null) {
      String inferred = inferredType(object);
      return inferred == null ? new Node.Rule("value") : ofType(inferred, object, path);
    }
    if (type.isString()) {
      return ofType(type.stringValue(), object, path);
    }
    if (!type.isArray() || type.isEmpty()) {
      throw invalid(path + "/type", "a string or an array of strings", type);
    }
    List<Node> options = new ArrayList<>();
    for (JsonNode one : type) {
      options.add(ofType(one.asString(), object, path));
    }
    return new Node.Choice(options);
  }

  private static @Nullable String inferredType(ObjectNode o) {
    if (o.has("properties") || o.has("required") || o.has("additionalProperties")) {
      return "object";
    }
    if (o.has("items") || o.has("prefixItems") || o.has("minItems") || o.has("maxItems")) {
      return "array";
    }
    if (o.has("minLength") || o.has("maxLength") || o.has("pattern") || o.has("format")) {
      return "string";
    }
    return o.has("minimum")
            || o.has("maximum")
            || o.has("exclusiveMinimum")
            || o.has("exclusiveMaximum")
        ? "number"
        : null;
  }

  private Node ofType(String type, ObjectNode o, String path) {
    return switch (type) {
      case "null" -> Node.text("null");
      case "boolean" -> Node.choice(Node.text("true"), Node.text("false"));
      case "string" -> string(o, path);
      case "integer" -> numeric(o, path, true);
      case "number" -> numeric(o, path, false);
      case "array" -> array(o, path);
      case "object" -> object(o, path);
      default ->
          throw GrammarException.invalid(
              "schema at %s: expected a type of JSON, found %s".formatted(path, type));
    };
  }

  /// A value as text, with free white space between its parts.
  private Node literal(JsonNode value) {
    Node ws = new Node.Rule("ws");
    Node comma = Node.sequence(ws, Node.text(","), ws);
    if (value.isObject()) {
      List<Node> items = new ArrayList<>();
      for (Map.Entry<String, JsonNode> e : value.properties()) {
        items.add(items.isEmpty() ? Node.EMPTY : comma);
        items.add(
            Node.sequence(
                Node.text(JsonPieces.quoted(e.getKey())),
                ws,
                Node.text(":"),
                ws,
                literal(e.getValue())));
      }
      return Node.sequence(Node.text("{"), ws, new Node.Sequence(items), ws, Node.text("}"));
    }
    if (value.isArray()) {
      List<Node> items = new ArrayList<>();
      for (JsonNode item : value) {
        items.add(items.isEmpty() ? Node.EMPTY : comma);
        items.add(literal(item));
      }
      return Node.sequence(Node.text("["), ws, new Node.Sequence(items), ws, Node.text("]"));
    }
    return Node.text(value.isString() ? JsonPieces.quoted(value.stringValue()) : value.toString());
  }

  // ---- types
  // --------------------------------------------------------------------------------------

  private static int count(ObjectNode o, String key, int absent, String path) {
    JsonNode v = o.get(key);
    if (v == null) {
      return absent;
    }
    if (!v.isNumber()
        || v.decimalValue().stripTrailingZeros().scale() > 0
        || v.decimalValue().signum() < 0) {
      throw invalid(path + "/" + key, "a count", v);
    }
    BigDecimal n = v.decimalValue();
    if (n.compareTo(BigDecimal.valueOf(100_000)) > 0) {
      throw GrammarException.limit(
          "schema at " + path + "/" + key + ": expected at most 100000, found " + n);
    }
    return n.intValue();
  }

  private Node string(ObjectNode o, String path) {
    boolean bounded = o.has("minLength") || o.has("maxLength");
    if (o.has("pattern")) {
      if (bounded) {
        throw unsupported(path, "pattern together with minLength or maxLength");
      }
      return JsonPieces.stringOf(RegexParser.parse(o.get("pattern").asString()));
    }
    String format = o.path("format").asString("");
    String pattern = StringFormats.pattern(format);
    if (!pattern.isEmpty()) {
      if (bounded) {
        throw unsupported(path, "format together with minLength or maxLength");
      }
      return JsonPieces.stringOf(RegexParser.parse(pattern));
    }
    int min = count(o, "minLength", 0, path);
    int max = count(o, "maxLength", -1, path);
    if (max >= 0 && max < min) {
      throw invalid(path, "maxLength of at least minLength", o);
    }
    return min == 0 && max < 0 ? new Node.Rule("string") : JsonPieces.string(min, max);
  }

  private Node numeric(ObjectNode o, String path, boolean integer) {
    BigInteger least = bound(o, "minimum", "exclusiveMinimum", RoundingMode.CEILING, path);
    BigInteger most = bound(o, "maximum", "exclusiveMaximum", RoundingMode.FLOOR, path);
    if (least == null && most == null) {
      return new Node.Rule(integer ? "integer" : "number");
    }
    BigInteger far = BigInteger.TEN.pow(20);
    BigInteger low = least == null ? far.negate() : least;
    BigInteger high = most == null ? far : most;
    return integer ? JsonPieces.integer(low, high) : JsonPieces.number(low, high);
  }

  /// The nearest integer inside a bound.
  private static @Nullable BigInteger bound(
      ObjectNode o, String inclusive, String exclusive, RoundingMode inward, String path) {
    BigInteger result = null;
    for (String key : List.of(inclusive, exclusive)) {
      JsonNode v = o.get(key);
      if (v == null) {
        continue;
      }
      if (!v.isNumber()) {
        throw invalid(path + "/" + key, "a number", v);
      }
      BigDecimal exact = v.decimalValue();
      BigInteger b = exact.setScale(0, inward).toBigInteger();
      boolean whole = new BigDecimal(b).compareTo(exact) == 0;
      boolean low = inward == RoundingMode.CEILING;
      if (key.equals(exclusive) && whole) {
        b = low ? b.add(BigInteger.ONE) : b.subtract(BigInteger.ONE);
      }
      result = result == null ? b : low ? result.max(b) : result.min(b);
    }
    return result;
  }

  private Node array(ObjectNode o, String path) {
    Node ws = new Node.Rule("ws");
    Node comma = Node.sequence(ws, Node.text(","), ws);
    int min = count(o, "minItems", 0, path);
    int max = count(o, "maxItems", -1, path);
    if (max >= 0 && max < min) {
      throw invalid(path, "maxItems of at least minItems", o);
    }
    JsonNode items = o.get("items");
    JsonNode prefix = o.has("prefixItems") ? o.get("prefixItems") : items;
    if (prefix == null || !prefix.isArray()) {
      Node item = items == null ? new Node.Rule("value") : visit(items, path + "/items");
      return bracketed("[", item, comma, min, max, "]");
    }
    List<Node> parts = new ArrayList<>();
    int fixed = max < 0 ? prefix.size() : Math.min(prefix.size(), max);
    for (int i = 0; i < fixed; i++) {
      parts.add(i == 0 ? Node.EMPTY : comma);
      parts.add(visit(prefix.get(i), path + "/prefixItems/" + i));
    }
    if (min > fixed) {
      boolean typed = items != null && !items.isArray();
      Node item = typed ? visit(items, path + "/items") : new Node.Rule("value");
      for (int i = fixed; i < min; i++) {
        parts.add(i == 0 ? Node.EMPTY : comma);
        parts.add(item);
      }
    }
    return Node.sequence(Node.text("["), ws, new Node.Sequence(parts), ws, Node.text("]"));
  }

  private Node object(ObjectNode o, String path) {
    Map<String, JsonNode> properties = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> e : o.path("properties").properties()) {
      properties.put(e.getKey(), e.getValue());
    }
    Set<String> required = new LinkedHashSet<>();
    o.path("required").forEach(name -> required.add(name.asString()));
    JsonNode additional = o.get("additionalProperties");
    boolean open =
        additional != null
            ? !additional.isBoolean() || additional.booleanValue()
            : properties.isEmpty();
    for (String name : required) {
      if (!properties.containsKey(name)) {
        if (!open) {
          throw GrammarException.invalid(
              "schema at %s: the required property %s is not allowed".formatted(path, name));
        }
        properties.put(
            name, additional == null ? JsonMapper.shared().readTree("true") : additional);
      }
    }
    if (properties.isEmpty() && open && (additional == null || additional.isBoolean())) {
      return new Node.Rule("object");
    }
    Node ws = new Node.Rule("ws");
    Node other = Node.EMPTY;
    if (open) {
      Node value =
          additional == null || additional.isBoolean()
              ? new Node.Rule("value")
              : visit(additional, path + "/additionalProperties");
      other =
          Node.sequence(
              JsonPieces.keyOtherThan(List.copyOf(properties.keySet())),
              ws,
              Node.text(":"),
              ws,
              value);
    }
    List<Map.Entry<String, JsonNode>> given = List.copyOf(properties.entrySet());
    List<Map.Entry<String, JsonNode>> requiredFirst = new ArrayList<>();
    given.stream().filter(e -> required.contains(e.getKey())).forEach(requiredFirst::add);
    given.stream().filter(e -> !required.contains(e.getKey())).forEach(requiredFirst::add);
    Node members = members(given, required, open, other, path);
    if (!requiredFirst.equals(given)) {
      members = Node.choice(members, members(requiredFirst, required, open, other, path));
    }
    return Node.sequence(Node.text("{"), ws, members, ws, Node.text("}"));
  }

  /// Properties in their order, the optional ones or not: a rule for each place and whether a property
  /// came before, so that n optional properties make 2n rules and not 2ⁿ texts.
  private Node members(
      List<Map.Entry<String, JsonNode>> properties,
      Set<String> required,
      boolean open,
      Node other,
      String path) {
    Node ws = new Node.Rule("ws");
    Node comma = Node.sequence(ws, Node.text(","), ws);
    String prefix = "members " + rules.size() + " ";
    rules.put(prefix, Node.EMPTY);
    Node list = Node.sequence(other, Node.any(Node.sequence(comma, other)));
    Node first = open ? Node.optional(list) : Node.EMPTY;
    Node later = open ? Node.optional(Node.sequence(comma, list)) : Node.EMPTY;
    for (int i = properties.size() - 1; i >= 0; i--) {
      Map.Entry<String, JsonNode> p = properties.get(i);
      Node member =
          Node.sequence(
              Node.text(JsonPieces.quoted(p.getKey())),
              ws,
              Node.text(":"),
              ws,
              visit(p.getValue(), path + "/properties/" + p.getKey()));
      String memberName = prefix + "p" + i;
      rules.put(memberName, member);
      Node rest = named(prefix + "l" + (i + 1), later);
      Node withFirst = Node.sequence(new Node.Rule(memberName), rest);
      Node withLater = Node.sequence(comma, new Node.Rule(memberName), rest);
      boolean needed = required.contains(p.getKey());
      first = needed ? withFirst : Node.choice(withFirst, first);
      later = needed ? withLater : Node.choice(withLater, rest);
    }
    return first;
  }

  private Node named(String name, Node body) {
    rules.put(name, body);
    return new Node.Rule(name);
  }
}
