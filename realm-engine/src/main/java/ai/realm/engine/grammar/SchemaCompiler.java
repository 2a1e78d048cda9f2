package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// JSON Schema to rules. What is made is always a valid instance, in a language that may be narrower
/// than the schema's: members come in the schema's order, those that must be there first; other members
/// only where the schema allows them in words; numbers have at most 16 digits on each side of the point.
final class SchemaCompiler {
  private static final Set<String> NOTES =
      Set.of(
          "$ref",
          "$defs",
          "definitions",
          "$schema",
          "$id",
          "$comment",
          "title",
          "description",
          "default",
          "examples",
          "deprecated",
          "readOnly",
          "writeOnly");

  /// Most items of an array that has a limit, and most members that are counted.
  private static final int MAX_COUNTED = 400;

  private final SchemaReader reader;
  private final SchemaLogic logic;
  private final JsonRules json;
  private final NumberRules numbers;
  private final StringRules strings;
  private final RuleSet rules;
  private final Map<Object, Expr> known = new HashMap<>();
  private int depth;

  /// References that are being followed, each to what the one before points at or within it.
  private int references;

  private SchemaCompiler(Object root, Budget budget) {
    this.reader = new SchemaReader(root, budget);
    this.logic = new SchemaLogic(reader, budget);
    this.rules = new RuleSet(budget);
    this.json = new JsonRules(rules);
    this.numbers = new NumberRules(json);
    this.strings = new StringRules(json);
  }

  static RuleSet compile(String source, Budget budget) {
    Object root = JsonText.read(source, budget);
    SchemaCompiler compiler = new SchemaCompiler(root, budget);
    boolean empty =
        root instanceof Map<?, ?> m && NOTES.containsAll(m.keySet()) && !m.containsKey("$ref");
    Expr body = empty ? compiler.json.object() : compiler.schema(root, "");
    budget.at("");
    compiler.rules.root(compiler.rules.rule("root", body).rule());
    return compiler.rules;
  }

  private Expr schema(@Nullable Object schema, String place) {
    String before = rules.budget().at(place);
    Expr out = make(schema, place);
    rules.budget().at(before);
    return out;
  }

  private Expr make(@Nullable Object schema, String place) {
    if (schema == null || Boolean.TRUE.equals(schema)) {
      return json.value();
    }
    if (Boolean.FALSE.equals(schema)) {
      return Expr.NOTHING;
    }
    Map<String, Object> map = SchemaReader.map(schema, place);
    reader.refuseEmbedded(map, place);
    boolean named =
        NOTES.containsAll(map.keySet()) && map.containsKey("$ref")
            || map.size() == 1 && map.containsKey("allOf");
    if (!named) {
      return shape(reader.read(schema, place));
    }
    Object key = map.containsKey("$ref") ? Objects.requireNonNull(map.get("$ref")) : map;
    Expr before = known.get(key);
    if (before != null) {
      return before;
    }
    int rule = rules.declare("schema", true);
    Expr ref = new Expr.Ref(rule);
    known.put(key, ref);
    Object target =
        map.containsKey("$ref") && key instanceof String pointer
            ? reader.resolve(pointer, place + "/$ref")
            : schema;
    if (target == schema) {
      rules.define(rule, shape(reader.read(schema, place)));
    } else {
      rules.budget().depth(++references);
      rules.define(rule, schema(target, place + "/$ref"));
      references--;
    }
    return ref;
  }

  private Expr shape(Shape shape) {
    rules.budget().depth(++depth);
    rules.budget().time();
    Expr out;
    if (!shape.pending.isEmpty()) {
      out = alternatives(shape);
    } else if (shape.values != null) {
      List<Expr> literals = new ArrayList<>();
      for (Object value : shape.values) {
        if (logic.isOtherwiseValid(value, shape)) {
          literals.add(Expr.text(JsonText.write(value)));
        }
      }
      out = Expr.choice(literals);
    } else if (isFree(shape)) {
      out = json.value();
    } else {
      List<Expr> all = new ArrayList<>();
      for (JsonType type : shape.madeTypes()) {
        all.add(typed(shape, type));
      }
      out = Expr.choice(all);
    }
    depth--;
    // A rule of its own, so that the error can name the place.
    return out.equals(Expr.NOTHING) ? rules.rule("nothing", out) : out;
  }

  private static boolean isFree(Shape shape) {
    return shape.types == null && shape.hints.isEmpty();
  }

  private Expr alternatives(Shape shape) {
    Shape base = new Shape(shape);
    Shape.Alternatives first = base.pending.removeFirst();
    List<Object> schemas = first.exclusive() ? logic.exclusive(base, first) : first.schemas();
    boolean bare = isFree(base) && base.values == null && base.pending.isEmpty();
    List<Expr> all = new ArrayList<>();
    for (int i = 0; i < schemas.size(); i++) {
      String place = first.place() + "/" + i;
      if (bare) {
        all.add(schema(schemas.get(i), place));
      } else {
        Shape both = new Shape(base);
        reader.add(both, schemas.get(i), place, 0);
        all.add(shape(both));
      }
    }
    return Expr.choice(all);
  }

  private Expr typed(Shape shape, JsonType type) {
    return switch (type) {
      case OBJECT -> object(shape);
      case ARRAY -> rules.rule("array", array(shape));
      case STRING -> strings.strings(shape.patterns, shape.minLength, shape.maxLength);
      case NUMBER -> numbers.decimals(shape.range, shape.multipleOf);
      case INTEGER -> numbers.integers(shape.range, shape.multipleOf);
      case BOOLEAN -> JsonRules.bool();
      case NULL -> Expr.text("null");
    };
  }

  /// A member of an object: the rule of its name and value, and whether it must be there.
  private record Member(Expr expr, boolean required) {}

  private Expr object(Shape shape) {
    Object additional = shape.additional;
    boolean open = additional != null && !Boolean.FALSE.equals(additional);
    List<Member> members = new ArrayList<>();
    List<Member> optional = new ArrayList<>();
    for (Map.Entry<String, Object> p : shape.properties.entrySet()) {
      boolean required = shape.required.contains(p.getKey());
      Expr name = JsonRules.literal(p.getKey());
      Expr member = member(name, p.getValue(), shape.place + "/properties/" + p.getKey());
      (required ? members : optional).add(new Member(member, required));
    }
    for (String name : shape.required) {
      if (!shape.properties.containsKey(name)) {
        Expr key = JsonRules.literal(name);
        members.add(
            new Member(member(key, additional, shape.place + "/additionalProperties"), true));
      }
    }
    members.addAll(optional);
    boolean anyObject = members.isEmpty() && shape.properties.isEmpty() && additional == null;
    if (anyObject && shape.minProperties == 0 && shape.maxProperties == Shape.UNBOUNDED) {
      return json.object();
    }
    Expr other = Expr.NOTHING;
    if (open || anyObject) {
      List<String> names = new ArrayList<>(shape.properties.keySet());
      names.addAll(shape.required);
      other = member(strings.except(names), additional, shape.place + "/additionalProperties");
    }
    Expr body = members(shape, members, other);
    return rules.rule("object", Expr.sequence(Expr.text("{"), json.space(), body, Expr.text("}")));
  }

  private Expr member(Expr name, @Nullable Object schema, String place) {
    Expr value = schema(schema, place);
    String before = rules.budget().at(place);
    Expr member = rules.rule("member", json.member(name, value));
    rules.budget().at(before);
    return member;
  }

  /// Members in their order: a rule for each member yet to come and each count of members made.
  private Expr members(Shape shape, List<Member> members, Expr other) {
    int n = members.size();
    int min = shape.minProperties;
    int max = shape.maxProperties;
    long needed = members.stream().filter(Member::required).count();
    boolean open = !other.equals(Expr.NOTHING);
    boolean bounded = max < n || open && max != Shape.UNBOUNDED;
    int cap = bounded ? Math.min(max, MAX_COUNTED) : min > needed ? Math.min(min, MAX_COUNTED) : 1;
    if (min > MAX_COUNTED) {
      throw GrammarException.unsupported(
          "schema %s/minProperties: expected at most %d, found %d"
              .formatted(shape.place, MAX_COUNTED, min));
    }
    List<Expr> after = new ArrayList<>();
    for (int k = 0; k <= cap; k++) {
      List<Expr> all = new ArrayList<>();
      if (k >= Math.min(min, cap) && k >= (min > needed ? min : 0)) {
        all.add(Expr.EMPTY);
      }
      int left = max == Shape.UNBOUNDED ? max : Math.min(max, MAX_COUNTED) - k;
      if (open && left > 0 && (k + 1 >= min || min <= needed)) {
        int more = left == Shape.UNBOUNDED ? left : left - 1;
        all.add(
            Expr.sequence(
                k > 0 ? json.comma() : Expr.EMPTY,
                other,
                new Expr.Repeat(Expr.sequence(json.comma(), other), 0, more)));
      }
      after.add(Expr.choice(all));
    }
    for (int i = n - 1; i >= 0; i--) {
      List<Expr> before = new ArrayList<>();
      for (int k = 0; k <= cap; k++) {
        List<Expr> all = new ArrayList<>();
        if (!bounded || k < cap) {
          all.add(
              Expr.sequence(
                  k > 0 ? json.comma() : Expr.EMPTY,
                  members.get(i).expr(),
                  after.get(Math.min(k + 1, cap))));
        }
        if (!members.get(i).required()) {
          all.add(after.get(k));
        }
        before.add(rules.rule("members", Expr.choice(all)));
      }
      after = before;
    }
    return after.getFirst();
  }

  private Expr array(Shape shape) {
    int min = shape.minItems;
    int max =
        shape.maxItems == Shape.UNBOUNDED
            ? Shape.UNBOUNDED
            : Math.max(min, Math.min(shape.maxItems, MAX_COUNTED));
    if (min > shape.maxItems) {
      return Expr.NOTHING;
    }
    Object items = shape.items;
    if (shape.unique && max > 1) {
      return unique(shape, min, max);
    }
    if (shape.prefix.isEmpty()) {
      if (max == 0 || Boolean.FALSE.equals(items)) {
        return min > 0 ? Expr.NOTHING : json.array(Expr.NOTHING, 0, 0);
      }
      return json.array(schema(items, shape.place + "/items"), min, max);
    }
    int n = Math.min(shape.prefix.size(), max);
    List<Expr> parts = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      parts.add(i == 0 ? Expr.EMPTY : json.comma());
      parts.add(schema(shape.prefix.get(i), shape.place + "/prefixItems/" + i));
      parts.add(json.space());
    }
    int least = Math.max(0, min - n);
    int most = max == Shape.UNBOUNDED ? max : max - n;
    if (items == null) {
      most = least;
    }
    if (Boolean.FALSE.equals(items)) {
      most = 0;
    }
    if (most < least) {
      return Expr.NOTHING;
    }
    if (most > 0) {
      Expr more = schema(items, shape.place + "/items");
      parts.add(new Expr.Repeat(Expr.sequence(json.comma(), more, json.space()), least, most));
    }
    return Expr.sequence(
        Expr.text("["), json.space(), new Expr.Sequence(List.copyOf(parts)), Expr.text("]"));
  }

  /// An array without equal items: of a list of values each at most once, in the list's order.
  private Expr unique(Shape shape, int min, int max) {
    Object items = shape.items;
    List<Object> values =
        items == null || !shape.prefix.isEmpty()
            ? List.of()
            : logic.finiteValues(reader.read(items, shape.place + "/items"));
    if (values.isEmpty()) {
      return distinct(shape, min, max);
    }
    int most = Math.min(max, values.size());
    if (min > most) {
      return Expr.NOTHING;
    }
    List<Expr> after = new ArrayList<>();
    for (int k = 0; k <= most; k++) {
      after.add(k >= min ? Expr.EMPTY : Expr.NOTHING);
    }
    for (Object value : values.reversed()) {
      List<Expr> before = new ArrayList<>();
      for (int k = 0; k <= most; k++) {
        List<Expr> all = new ArrayList<>(List.of(after.get(k)));
        if (k < most) {
          all.add(
              Expr.sequence(
                  k > 0 ? json.comma() : Expr.EMPTY,
                  Expr.text(JsonText.write(value)),
                  json.space(),
                  after.get(k + 1)));
        }
        before.add(rules.rule("unique", Expr.choice(all)));
      }
      after = before;
    }
    return Expr.sequence(Expr.text("["), json.space(), after.getFirst(), Expr.text("]"));
  }

  private Expr distinct(Shape shape, int min, int max) {
    if (min <= 1) {
      Shape one = new Shape(shape);
      one.unique = false;
      one.maxItems = Math.min(max, 1);
      return array(one);
    }
    throw GrammarException.unsupported(
        "%s: uniqueItems cannot be guaranteed for items other than a list of values"
            .formatted(Budget.where(shape.place)));
  }
}
