package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Patterns at once, with characters counted: the product of their automata, a rule for each state and count.
/// The automata read kinds of characters, not bytes: what no pattern tells apart is one kind, and how its
/// characters are written is the same everywhere.
final class PatternProduct {
  /// Most kinds, one for each symbol of an automaton.
  private static final int MAX_KINDS = 255;

  /// What a way from one state to another takes as an expression, about.
  private static final int MOVE_BYTES = 256;

  /// Characters that a string has as one byte.
  private static final CodePoints SIMPLE =
      CodePoints.of(0x20, 0x7F).minus(CodePoints.ofRanges('"', '"', '\\', '\\'));

  /// A state of each automaton, and the characters so far.
  private record State(List<Integer> states, int count) {}

  private final RuleSet rules;
  private final int min;
  private final int max;
  private final List<CodePoints> kinds;
  private final List<Dfa> automata = new ArrayList<>();
  private final Map<State, Integer> numbers = new HashMap<>();
  private final Map<CodePoints, Expr> spelled = new HashMap<>();
  private final List<State> todo = new ArrayList<>();

  /// @param patterns of characters, without references
  /// @param max the most characters, or [Shape#UNBOUNDED]
  PatternProduct(RuleSet rules, List<Expr> patterns, int min, int max) {
    this.rules = rules;
    this.min = min;
    this.max = max;
    Budget budget = rules.budget();
    kinds = kinds(patterns, budget);
    BitSet borders = new BitSet();
    borders.set(0, kinds.size() + 1);
    ByteClasses symbols = new ByteClasses(borders);
    for (Expr pattern : patterns) {
      Nfa nfa = new Nfa(budget);
      nfa.start(AutomatonBuilder.layPlain(nfa, budget, inKinds(pattern), nfa.end()));
      automata.add(new Dfa(nfa, symbols, budget));
    }
  }

  /// All characters, in parts that lie in a set of the patterns or beside it.
  private static List<CodePoints> kinds(List<Expr> patterns, Budget budget) {
    Set<CodePoints> sets = new LinkedHashSet<>();
    patterns.forEach(pattern -> collect(pattern, sets, budget));
    List<CodePoints> kinds = new ArrayList<>(List.of(CodePoints.ALL));
    for (CodePoints set : sets) {
      List<CodePoints> finer = new ArrayList<>();
      for (CodePoints kind : kinds) {
        budget.work(kind.ranges() + set.ranges());
        for (CodePoints part : List.of(kind.and(set), kind.minus(set))) {
          if (!part.isEmpty()) {
            finer.add(part);
          }
        }
      }
      if (finer.size() > MAX_KINDS) {
        throw GrammarException.limit(
            "%s: expected patterns that tell at most %d kinds of characters apart, found more"
                .formatted(budget.where(), MAX_KINDS));
      }
      kinds = finer;
    }
    return kinds;
  }

  private static void collect(Expr expr, Set<CodePoints> sets, Budget budget) {
    budget.work(1);
    switch (expr) {
      case Expr.Chars chars -> sets.add(chars.set());
      case Expr.Sequence sequence -> sequence.parts().forEach(part -> collect(part, sets, budget));
      case Expr.Choice choice ->
          choice.alternatives().forEach(alternative -> collect(alternative, sets, budget));
      case Expr.Repeat repeat -> collect(repeat.body(), sets, budget);
      case Expr.Bytes _, Expr.Ref _ -> throw new IllegalArgumentException("not of a pattern");
    }
  }

  /// A pattern with the numbers of kinds as bytes in place of characters.
  private Expr inKinds(Expr expr) {
    return switch (expr) {
      case Expr.Chars chars -> {
        List<Expr> all = new ArrayList<>();
        for (int k = 0; k < kinds.size(); k++) {
          if (chars.set().contains(kinds.get(k).first(0))) {
            all.add(new Expr.Bytes(k, k));
          }
        }
        yield Expr.choice(all);
      }
      case Expr.Sequence sequence ->
          new Expr.Sequence(sequence.parts().stream().map(this::inKinds).toList());
      case Expr.Choice choice ->
          new Expr.Choice(choice.alternatives().stream().map(this::inKinds).toList());
      case Expr.Repeat repeat ->
          new Expr.Repeat(inKinds(repeat.body()), repeat.min(), repeat.max());
      case Expr.Bytes _, Expr.Ref _ -> throw new IllegalArgumentException("not of a pattern");
    };
  }

  /// The content of a string that matches all patterns.
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
    if (state.count() < max) {
      ways(state)
          .forEach((to, set) -> {
            rules.budget().bytes(MOVE_BYTES);
            all.add(Expr.sequence(spelled(set), ref(to)));
          });
    }
    return Expr.choice(all);
  }

  /// Where the characters lead that a state allows.
  private Map<State, CodePoints> ways(State state) {
    int count = state.count() + 1;
    int kept = max == Shape.UNBOUNDED ? Math.min(count, min) : count;
    Map<State, CodePoints> ways = new LinkedHashMap<>();
    for (int k = 0; k < kinds.size(); k++) {
      List<Integer> next = new ArrayList<>();
      for (int i = 0; i < automata.size(); i++) {
        next.add(automata.get(i).next(state.states().get(i), k));
      }
      if (!next.contains(-1)) {
        rules.budget().work(kinds.get(k).ranges());
        ways.merge(new State(List.copyOf(next), kept), kinds.get(k), CodePoints::or);
      }
    }
    return ways;
  }

  /// One character of a set as a string has it. Those of several bytes are a rule that all states share.
  private Expr spelled(CodePoints set) {
    Expr known = spelled.get(set);
    if (known == null) {
      CodePoints simple = set.and(SIMPLE);
      CodePoints more = set.minus(SIMPLE);
      List<Expr> all = new ArrayList<>();
      if (!simple.isEmpty()) {
        all.add(new Expr.Chars(simple));
      }
      if (!more.isEmpty()) {
        all.add(rules.rule("characters", JsonRules.encoded(more)));
      }
      known = Expr.choice(all);
      spelled.put(set, known);
    }
    return known;
  }
}
