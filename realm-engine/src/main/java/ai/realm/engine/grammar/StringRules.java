package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Strings by length and pattern, and names other than given ones.
final class StringRules {
  private static final int MAX_NAME = 200;

  /// What a string's content must be.
  private record Demand(List<String> patterns, int min, int max) {}

  private record Name(List<String> except) {}

  private final JsonRules json;
  private final RuleSet rules;
  private final Map<Record, Expr> made = new HashMap<>();

  StringRules(JsonRules json) {
    this.json = json;
    this.rules = json.rules();
  }

  /// Strings that match all patterns, with a number of characters between two.
  ///
  /// @param patterns each with its place in the schema
  Expr strings(Map<String, String> patterns, int min, int max) {
    if (min > max) {
      return Expr.NOTHING;
    }
    boolean anyLength = min == 0 && max == Shape.UNBOUNDED;
    if (patterns.isEmpty() && anyLength) {
      return json.string();
    }
    Demand demand = new Demand(List.copyOf(patterns.keySet()), min, max);
    Expr known = made.get(demand);
    if (known == null) {
      Expr content =
          patterns.isEmpty()
              ? new Expr.Repeat(JsonRules.stringChar(), min, max)
              : matching(parse(patterns), min, max);
      known = rules.rule("string", JsonRules.quoted(content));
      made.put(demand, known);
    }
    return known;
  }

  /// What matches all patterns, with as little to count as they allow.
  private Expr matching(List<Expr> patterns, int min, int max) {
    Lengths lengths = new Lengths(rules.budget());
    int least = min;
    int most = max;
    for (Expr pattern : patterns) {
      Lengths.Span span = lengths.span(pattern);
      least = span.shortest() >= min ? 0 : least;
      most = span.longest() <= max ? Shape.UNBOUNDED : most;
    }
    Optional<Expr> cut =
        patterns.size() == 1 ? lengths.between(patterns.getFirst(), least, most) : Optional.empty();
    return cut.isPresent()
        ? JsonRules.encoded(cut.get())
        : new PatternProduct(rules, patterns, least, most).content();
  }

  private List<Expr> parse(Map<String, String> patterns) {
    List<Expr> all = new ArrayList<>();
    patterns.forEach((p, place) -> all.add(RegexParser.parse(p, place, rules.budget())));
    return all;
  }

  /// A name of a member that is none of these. Each name has one spelling here, so that no other
  /// spelling slips through.
  Expr except(List<String> names) {
    if (names.isEmpty()) {
      return json.string();
    }
    Name key = new Name(List.copyOf(names));
    Expr known = made.get(key);
    if (known == null) {
      Node root = new Node();
      for (String name : names) {
        root.add(name, rules.budget().where());
      }
      known = rules.rule("name", JsonRules.quoted(root.others()));
      made.put(key, known);
    }
    return known;
  }

  /// A node of the trie of names to leave out.
  private static final class Node {
    private static final CodePoints CHARS = CodePoints.ofRanges(0, 0x1F, 0x7F, 0x7F).not();
    private final Map<Integer, Node> children = new LinkedHashMap<>();
    private boolean isName;

    void add(String name, String where) {
      if (name.length() > MAX_NAME) {
        throw GrammarException.unsupported(
            "%s: expected names of at most %d characters beside additionalProperties, found %d"
                .formatted(where, MAX_NAME, name.length()));
      }
      Node at = this;
      for (int c : name.codePoints().toArray()) {
        at = at.children.computeIfAbsent(c, k -> new Node());
      }
      at.isName = true;
    }

    Expr others() {
      Expr any = Expr.star(JsonRules.encoded(CHARS));
      List<Expr> all = new ArrayList<>();
      if (!isName) {
        all.add(Expr.EMPTY);
      }
      CodePoints rest = CHARS;
      for (Map.Entry<Integer, Node> child : children.entrySet()) {
        CodePoints c = CodePoints.of(child.getKey());
        rest = rest.minus(c);
        all.add(Expr.sequence(JsonRules.encoded(c), child.getValue().others()));
      }
      all.add(Expr.sequence(JsonRules.encoded(rest), any));
      return Expr.choice(all);
    }
  }
}
