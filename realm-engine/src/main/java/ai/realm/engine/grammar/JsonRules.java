package ai.realm.engine.grammar;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/// The rules of JSON that all schemas share, each made when first used. Space stands where llama.cpp's
/// schema grammars have it: nothing, one blank, or a line break with up to 20 blanks.
final class JsonRules {
  /// Digits of a whole number, and of a fraction, at most.
  static final int MAX_DIGITS = 16;

  private static final CodePoints PLAIN_CHARS =
      CodePoints.ofRanges(0, 0x1F, '"', '"', '\\', '\\', 0x7F, 0x7F).not();

  private final RuleSet rules;
  private final Map<String, Expr> made = new HashMap<>();

  JsonRules(RuleSet rules) {
    this.rules = rules;
  }

  /// The grammar of any JSON value.
  static RuleSet any(Budget budget) {
    RuleSet rules = new RuleSet(budget);
    Expr value = new JsonRules(rules).value();
    rules.root(rules.rule("root", value).rule());
    return rules;
  }

  RuleSet rules() {
    return rules;
  }

  private Expr once(String name, Supplier<Expr> body) {
    Expr known = made.get(name);
    if (known != null) {
      return known;
    }
    int rule = rules.declare(name, true);
    Expr ref = new Expr.Ref(rule);
    made.put(name, ref);
    rules.define(rule, body.get());
    return ref;
  }

  Expr space() {
    return once(
        "space",
        () ->
            Expr.choice(
                Expr.EMPTY,
                Expr.text(" "),
                Expr.sequence(
                    Expr.text("\n"), new Expr.Repeat(Expr.chars(' ', ' ', '\t', '\t'), 0, 20))));
  }

  /// One character of a string, escaped where it has to be. Escapes of surrogates are left out: halves
  /// of pairs are no text.
  static Expr stringChar() {
    Expr hex = Expr.chars('0', '9', 'a', 'f', 'A', 'F');
    Expr notSurrogate =
        Expr.choice(
            Expr.sequence(Expr.chars('0', '9', 'a', 'c', 'A', 'C', 'e', 'f', 'E', 'F'), hex),
            Expr.sequence(Expr.chars('d', 'd', 'D', 'D'), Expr.chars('0', '7')));
    return Expr.choice(
        new Expr.Chars(PLAIN_CHARS),
        Expr.sequence(
            Expr.text("\\"),
            Expr.choice(
                Expr.chars('"', '"', '\\', '\\', 'b', 'b', 'f', 'f', 'n', 'n', 'r', 'r', 't', 't'),
                Expr.sequence(Expr.text("u"), notSurrogate, hex, hex))));
  }

  Expr string() {
    return once("string", () -> quoted(Expr.star(stringChar())));
  }

  static Expr quoted(Expr content) {
    return Expr.sequence(Expr.text("\""), content, Expr.text("\""));
  }

  static Expr digits(int min, int max) {
    return new Expr.Repeat(Expr.chars('0', '9'), min, max);
  }

  private static Expr magnitude() {
    return Expr.choice(
        Expr.text("0"), Expr.sequence(Expr.chars('1', '9'), digits(0, MAX_DIGITS - 1)));
  }

  Expr number() {
    return once(
        "number",
        () ->
            Expr.sequence(
                Expr.optional(Expr.text("-")),
                magnitude(),
                Expr.optional(Expr.sequence(Expr.text("."), digits(1, MAX_DIGITS))),
                Expr.optional(
                    Expr.sequence(
                        Expr.chars('e', 'e', 'E', 'E'),
                        Expr.optional(Expr.chars('+', '+', '-', '-')),
                        digits(1, 2)))));
  }

  Expr integer() {
    return once(
        "integer",
        () ->
            Expr.choice(
                Expr.text("0"),
                Expr.sequence(
                    Expr.optional(Expr.text("-")),
                    Expr.chars('1', '9'),
                    digits(0, MAX_DIGITS - 1))));
  }

  static Expr bool() {
    return Expr.choice(Expr.text("true"), Expr.text("false"));
  }

  Expr value() {
    return once(
        "value",
        () ->
            Expr.choice(List.of(object(), array(), string(), number(), bool(), Expr.text("null"))));
  }

  Expr object() {
    return once("object", () -> object(member(string(), value())));
  }

  Expr array() {
    return once("array", () -> array(value(), 0, Expr.Repeat.UNBOUNDED));
  }

  /// A name with its value.
  Expr member(Expr key, Expr value) {
    return Expr.sequence(key, space(), Expr.text(":"), space(), value, space());
  }

  /// An object of any number of like members.
  Expr object(Expr member) {
    return Expr.sequence(
        Expr.text("{"),
        space(),
        Expr.optional(Expr.sequence(member, Expr.star(Expr.sequence(comma(), member)))),
        Expr.text("}"));
  }

  Expr comma() {
    return Expr.sequence(Expr.text(","), space());
  }

  /// An array of like items.
  Expr array(Expr item, int min, int max) {
    Expr items;
    if (max == 0) {
      items = Expr.EMPTY;
    } else {
      int more = max == Expr.Repeat.UNBOUNDED ? max : max - 1;
      Expr full =
          Expr.sequence(
              item,
              space(),
              new Expr.Repeat(Expr.sequence(comma(), item, space()), Math.max(0, min - 1), more));
      items = min == 0 ? Expr.optional(full) : full;
    }
    return Expr.sequence(Expr.text("["), space(), items, Expr.text("]"));
  }

  /// A string of exactly this text, in its one spelling.
  static Expr literal(String text) {
    return Expr.text(JsonText.quote(text));
  }

  /// What characters of a set look like inside a string: as themselves, or escaped where they must be.
  static Expr encoded(CodePoints set) {
    CodePoints escaped = CodePoints.ofRanges(0, 0x1F, '"', '"', '\\', '\\');
    CodePoints plain = set.minus(escaped);
    CodePoints rest = set.and(escaped);
    if (rest.isEmpty()) {
      return new Expr.Chars(plain);
    }
    java.util.ArrayList<Expr> all = new java.util.ArrayList<>();
    if (!plain.isEmpty()) {
      all.add(new Expr.Chars(plain));
    }
    for (int c = 0; c <= '\\'; c++) {
      if (rest.contains(c)) {
        String quoted = JsonText.quote(Character.toString(c));
        all.add(Expr.text(quoted.substring(1, quoted.length() - 1)));
      }
    }
    return Expr.choice(all);
  }

  /// An expression over characters as the content of a string.
  static Expr encoded(Expr raw) {
    return switch (raw) {
      case Expr.Chars chars -> encoded(chars.set());
      case Expr.Sequence sequence ->
          new Expr.Sequence(sequence.parts().stream().map(JsonRules::encoded).toList());
      case Expr.Choice choice ->
          new Expr.Choice(choice.alternatives().stream().map(JsonRules::encoded).toList());
      case Expr.Repeat repeat ->
          new Expr.Repeat(encoded(repeat.body()), repeat.min(), repeat.max());
      case Expr.Bytes bytes -> bytes;
      case Expr.Ref ref -> ref;
    };
  }
}
