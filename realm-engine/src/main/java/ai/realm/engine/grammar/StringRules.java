package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Strings by length and pattern, and names other than given ones.
final class StringRules {
  /// What a character of a pattern in one of its states takes as an expression, about.
  private static final int MOVE_BYTES = 256;

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
      Expr content;
      if (patterns.isEmpty()) {
        content = new Expr.Repeat(JsonRules.stringChar(), min, max);
      } else if (patterns.size() == 1 && anyLength) {
        content = JsonRules.encoded(parse(patterns).getFirst());
      } else {
        content = new PatternProduct(rules, parse(patterns), min, max).content();
      }
      known = rules.rule("string", JsonRules.quoted(content));
      made.put(demand, known);
    }
    return known;
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

  /// Patterns at once, with characters counted: the product of their automata, a rule for each state
  /// and count.
  private static final class PatternProduct {
    /// A state of each automaton, and the characters so far.
    private record State(List<Integer> states, int count) {}

    private final RuleSet rules;
    private final int min;
    private final int max;
    private final ByteClasses classes;
    private final List<Dfa> automata = new ArrayList<>();
    private final Map<State, Integer> numbers = new HashMap<>();
    private final List<State> todo = new ArrayList<>();

    PatternProduct(RuleSet rules, List<Expr> patterns, int min, int max) {
      this.rules = rules;
      this.min = min;
      this.max = max;
      Budget budget = rules.budget();
      List<Nfa> nfas = new ArrayList<>();
      BitSet borders = new BitSet();
      for (int b : new int[] {0x20, '"', '"' + 1, '\\', '\\' + 1, 0x80, 0xC0}) {
        borders.set(b);
      }
      for (Expr pattern : patterns) {
        Nfa nfa = new Nfa(budget);
        nfa.start(AutomatonBuilder.layPlain(nfa, budget, pattern, nfa.end()));
        nfa.borders(borders);
        nfas.add(nfa);
      }
      classes = new ByteClasses(borders);
      nfas.forEach(nfa -> automata.add(new Dfa(nfa, classes, budget)));
    }

    Expr content() {
      Expr start = ref(new State(automata.stream().map(a -> 0).toList(), 0));
      while (!todo.isEmpty()) {
        State state = todo.removeLast();
        rules.define(number(state), body(state));
      }
      return start;
    }

    private int number(State state) {
      Integer known = numbers.get(state);
      if (known == null) {
        known = rules.declare("pattern", true);
        numbers.put(state, known);
        todo.add(state);
      }
      return known;
    }

    private Expr ref(State state) {
      return new Expr.Ref(number(state));
    }

    private Expr body(State state) {
      List<Expr> all = new ArrayList<>();
      boolean accepting = state.count() >= min;
      for (int i = 0; i < automata.size(); i++) {
        accepting &= automata.get(i).accepting(state.states().get(i));
      }
      if (accepting) {
        all.add(Expr.EMPTY);
      }
      for (int c = 0; c < classes.count(); c++) {
        int first = classes.example(c);
        boolean begins = first < 0x80 || first >= 0xC0;
        int count = state.count() + (begins ? 1 : 0);
        List<Integer> next = new ArrayList<>();
        for (int i = 0; i < automata.size(); i++) {
          next.add(automata.get(i).next(state.states().get(i), c));
        }
        if (count > max || next.contains(-1)) {
          continue;
        }
        int kept = max == Shape.UNBOUNDED ? Math.min(count, min) : count;
        int last = first;
        while (last < 255 && classes.of(last + 1) == c) {
          last++;
        }
        rules.budget().bytes(MOVE_BYTES);
        Expr here =
            first < 0x80
                ? JsonRules.encoded(CodePoints.of(first, last))
                : new Expr.Bytes(first, last);
        all.add(Expr.sequence(here, ref(new State(List.copyOf(next), kept))));
      }
      return Expr.choice(all);
    }
  }
}
