package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Compiles rules into an [Automaton]. Rules that are neither recursive nor shared are laid into their
/// callers, so that what is regular becomes one deterministic machine.
final class AutomatonBuilder {
  /// Largest rule, in expression nodes, that is laid into its callers.
  private static final int INLINE_WEIGHT = 400;

  private static final int INLINE_DEPTH = 24;

  /// Largest expansion of a counted repetition, in expression nodes.
  private static final int EXPAND_WEIGHT = 160;

  private final RuleSet rules;
  private final Budget budget;
  private final boolean counting;
  private final RuleGraph graph;
  private final Map<Integer, Integer> machineOfRule = new HashMap<>();
  private final Map<Expr.Repeat, Integer> machineOfRepeat = new HashMap<>();
  private final List<Nfa> nfas = new ArrayList<>();
  private final List<Integer> countMin = new ArrayList<>();
  private final List<Integer> countMax = new ArrayList<>();
  private final List<Integer> ruleOfMachine = new ArrayList<>();

  private AutomatonBuilder(RuleSet rules, boolean counting) {
    this.rules = rules;
    this.counting = counting;
    this.budget = rules.budget();
    this.graph = new RuleGraph(rules);
  }

  static Automaton build(RuleSet rules) {
    return new AutomatonBuilder(rules, true).build();
  }

  /// Lays an expression without references before a node; gives its first node.
  static int layPlain(Nfa nfa, Budget budget, Expr expr, int next) {
    RuleSet none = new RuleSet(budget);
    return new AutomatonBuilder(none, false).lay(nfa, expr, next, 0);
  }

  private Automaton build() {
    String before = budget.place();
    int root = machine(rules.root());
    for (int m = 0; m < nfas.size(); m++) {
      int rule = ruleOfMachine.get(m);
      if (rule >= 0) {
        Nfa nfa = nfas.get(m);
        budget.at(rules.place(rule));
        nfa.start(lay(nfa, rules.body(rule), nfa.end(), 0));
      }
    }
    BitSet borders = new BitSet(257);
    nfas.forEach(nfa -> nfa.borders(borders));
    ByteClasses classes = new ByteClasses(borders);
    List<Dfa> machines = new ArrayList<>();
    int states = 0;
    int[] start = new int[nfas.size()];
    for (int m = 0; m < start.length; m++) {
      if (ruleOfMachine.get(m) >= 0) {
        budget.at(rules.place(ruleOfMachine.get(m)));
      }
      Dfa dfa = new Dfa(nfas.get(m), classes, budget);
      machines.add(dfa);
      start[m] = states;
      states += dfa.size();
    }
    budget.at(before);
    Automaton automaton = join(machines, start, states, classes, root);
    if (automaton.distanceThrough(root) >= Automaton.NEVER) {
      budget.at(placeWithoutText(automaton));
      throw GrammarException.invalid(
          budget.where() + ": expected a text that it allows, found none");
    }
    refuseLeftRecursion(automaton);
    return automaton;
  }

  /// The place of the first thing that must be there and allows no text.
  private @Nullable String placeWithoutText(Automaton automaton) {
    int rule = rules.root();
    Set<Integer> seen = new HashSet<>();
    String place = null;
    while (rule >= 0 && seen.add(rule)) {
      place = rules.place(rule);
      rule = ruleWithoutText(rules.body(rule), automaton);
    }
    return place;
  }

  /// The first rule without a text that an expression without one cannot do without, or −1.
  private int ruleWithoutText(Expr expr, Automaton automaton) {
    budget.work(1);
    return switch (expr) {
      case Expr.Sequence sequence -> {
        Expr first = Expr.EMPTY;
        for (Expr part : sequence.parts()) {
          if (!hasText(part, automaton)) {
            first = part;
            break;
          }
        }
        yield first.equals(Expr.EMPTY) ? -1 : ruleWithoutText(first, automaton);
      }
      case Expr.Choice choice ->
          choice.alternatives().size() == 1
              ? ruleWithoutText(choice.alternatives().getFirst(), automaton)
              : -1;
      case Expr.Repeat repeat -> ruleWithoutText(repeat.body(), automaton);
      case Expr.Ref ref -> ref.rule();
      case Expr.Chars _, Expr.Bytes _ -> -1;
    };
  }

  private boolean hasText(Expr expr, Automaton automaton) {
    budget.work(1);
    return switch (expr) {
      case Expr.Chars chars -> !chars.set().isEmpty();
      case Expr.Bytes _ -> true;
      case Expr.Sequence sequence -> sequence.parts().stream().allMatch(p -> hasText(p, automaton));
      case Expr.Choice choice ->
          choice.alternatives().stream().anyMatch(a -> hasText(a, automaton));
      case Expr.Repeat repeat -> repeat.min() == 0 || hasText(repeat.body(), automaton);
      case Expr.Ref ref -> {
        Integer machine = machineOfRule.get(ref.rule());
        yield machine == null
            ? hasText(rules.body(ref.rule()), automaton)
            : automaton.distanceThrough(machine) < Automaton.NEVER;
      }
    };
  }

  private Automaton join(
      List<Dfa> machines, int[] start, int states, ByteClasses classes, int root) {
    int[][] moves = new int[states][];
    int[][] calls = new int[states][];
    boolean[] accepting = new boolean[states];
    for (int m = 0; m < machines.size(); m++) {
      Dfa dfa = machines.get(m);
      int offset = start[m];
      for (int s = 0; s < dfa.size(); s++) {
        moves[offset + s] = shifted(dfa.moves(s), offset);
        calls[offset + s] = shifted(dfa.calls(s), offset);
        accepting[offset + s] = dfa.accepting(s);
      }
      budget.time();
    }
    return new Automaton(
        classes,
        root,
        new Machines(start, ints(countMin), ints(countMax), moves, calls, accepting),
        budget);
  }

  /// Pairs whose second is a state, with that state numbered from `offset` on.
  private static int[] shifted(int[] pairs, int offset) {
    for (int i = 1; i < pairs.length; i += 2) {
      pairs[i] += offset;
    }
    return pairs;
  }

  private static int[] ints(List<Integer> list) {
    return list.stream().mapToInt(Integer::intValue).toArray();
  }

  private int machine(int rule) {
    Integer known = machineOfRule.get(rule);
    if (known != null) {
      return known;
    }
    int m = add(new Nfa(budget), Automaton.PLAIN, Automaton.PLAIN, rule);
    machineOfRule.put(rule, m);
    return m;
  }

  private int add(Nfa nfa, int min, int max, int rule) {
    nfas.add(nfa);
    countMin.add(min);
    countMax.add(max);
    ruleOfMachine.add(rule);
    return nfas.size() - 1;
  }

  /// Lays an expression before a node; gives its first node.
  private int lay(Nfa nfa, Expr expr, int next, int inlined) {
    return switch (expr) {
      case Expr.Chars chars -> nfa.chars(chars.set(), next);
      case Expr.Bytes bytes -> nfa.bytes(bytes.first(), bytes.last(), next);
      case Expr.Sequence sequence -> {
        int node = next;
        for (int i = sequence.parts().size() - 1; i >= 0; i--) {
          node = lay(nfa, sequence.parts().get(i), node, inlined);
        }
        yield node;
      }
      case Expr.Choice choice -> {
        int node = Nfa.NONE;
        for (int i = choice.alternatives().size() - 1; i >= 0; i--) {
          node = nfa.fork(lay(nfa, choice.alternatives().get(i), next, inlined), node);
        }
        yield node == Nfa.NONE ? nfa.loop() : node;
      }
      case Expr.Repeat repeat -> repeat(nfa, repeat, next, inlined);
      case Expr.Ref ref -> {
        int rule = ref.rule();
        boolean inline =
            !rules.shared(rule)
                && !graph.isRecursive(rule)
                && inlined < INLINE_DEPTH
                && graph.weight(rule) <= INLINE_WEIGHT;
        yield inline
            ? lay(nfa, rules.body(rule), next, inlined + 1)
            : nfa.call(machine(rule), next);
      }
    };
  }

  private int repeat(Nfa nfa, Expr.Repeat repeat, int next, int inlined) {
    int min = repeat.min();
    int max = repeat.max();
    boolean unbounded = max == Expr.Repeat.UNBOUNDED;
    int copies = unbounded ? min : max;
    if (counting && copies > 1 && (long) copies * graph.weight(repeat.body()) > EXPAND_WEIGHT) {
      Integer machine = counted(repeat, inlined);
      if (machine != null) {
        return nfa.call(machine, next);
      }
    }
    int node = next;
    if (unbounded) {
      int loop = nfa.loop();
      nfa.close(loop, lay(nfa, repeat.body(), loop, inlined), next);
      node = loop;
    } else {
      for (int i = min; i < max; i++) {
        node = nfa.fork(lay(nfa, repeat.body(), node, inlined), next);
        budget.states(1);
      }
    }
    for (int i = 0; i < min; i++) {
      node = lay(nfa, repeat.body(), node, inlined);
      budget.states(1);
    }
    return node;
  }

  private @Nullable Integer counted(Expr.Repeat repeat, int inlined) {
    Integer known = machineOfRepeat.get(repeat);
    if (known != null) {
      return known;
    }
    Nfa body = new Nfa(budget);
    body.start(lay(body, repeat.body(), body.end(), inlined));
    BitSet borders = new BitSet(257);
    body.borders(borders);
    if (!new Dfa(body, new ByteClasses(borders), budget).isCountable()) {
      return null;
    }
    int machine = add(body, repeat.min(), repeat.max(), -1);
    machineOfRepeat.put(repeat, machine);
    return machine;
  }

  /// A machine that can call itself before it has read anything would call itself forever.
  private void refuseLeftRecursion(Automaton automaton) {
    int machines = automaton.start.length;
    int[] color = new int[machines];
    int[] path = new int[machines];
    List<int[]> callees = new ArrayList<>();
    for (int m = 0; m < machines; m++) {
      callees.add(leftCalls(automaton, m));
    }
    int[] at = new int[machines];
    for (int m = 0; m < machines; m++) {
      if (color[m] != 0) {
        continue;
      }
      int top = 0;
      path[top++] = m;
      color[m] = 1;
      while (top > 0) {
        int current = path[top - 1];
        int[] targets = callees.get(current);
        if (at[current] == targets.length) {
          color[current] = 2;
          top--;
          continue;
        }
        int callee = targets[at[current]++];
        if (color[callee] == 1) {
          int rule = ruleOfMachine.get(callee);
          throw GrammarException.invalid(
              "grammar: rule %s: expected input before it calls itself, found left recursion"
                  .formatted(rule < 0 ? "of a repetition" : rules.name(rule)));
        }
        if (color[callee] == 0) {
          color[callee] = 1;
          path[top++] = callee;
        }
      }
    }
  }

  /// The machines that a machine can call before its first byte.
  private int[] leftCalls(Automaton automaton, int machine) {
    List<Integer> todo = new ArrayList<>(List.of(automaton.start[machine]));
    Set<Integer> seen = new HashSet<>();
    BitSet called = new BitSet();
    while (!todo.isEmpty()) {
      int s = todo.removeLast();
      if (!seen.add(s)) {
        continue;
      }
      int[] pairs = automaton.calls[s];
      budget.work(1 + pairs.length);
      for (int i = 0; i < pairs.length; i += 2) {
        called.set(pairs[i]);
        if (automaton.distanceThrough(pairs[i]) == 0) {
          todo.add(pairs[i + 1]);
        }
      }
    }
    return called.stream().toArray();
  }
}
