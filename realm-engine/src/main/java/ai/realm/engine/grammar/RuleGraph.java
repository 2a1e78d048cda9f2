package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/// Who refers to whom among rules: which rules are recursive, and how large each is with its callees
/// laid into it. By Tarjan's strongly connected components, without recursion of our own.
final class RuleGraph {
  private static final int HUGE = 1 << 28;

  private final RuleSet rules;
  private final int[][] refs;
  private final int[] weight;
  private final BitSet recursive = new BitSet();

  RuleGraph(RuleSet rules) {
    this.rules = rules;
    int n = rules.size();
    refs = new int[n][];
    weight = new int[n];
    for (int r = 0; r < n; r++) {
      BitSet called = new BitSet();
      collect(rules.body(r), called);
      refs[r] = called.stream().toArray();
    }
    components();
  }

  boolean isRecursive(int rule) {
    return recursive.get(rule);
  }

  int weight(int rule) {
    return weight[rule];
  }

  private static void collect(Expr body, BitSet called) {
    List<Expr> todo = new ArrayList<>(List.of(body));
    while (!todo.isEmpty()) {
      switch (todo.removeLast()) {
        case Expr.Chars chars -> {}
        case Expr.Bytes bytes -> {}
        case Expr.Sequence sequence -> todo.addAll(sequence.parts());
        case Expr.Choice choice -> todo.addAll(choice.alternatives());
        case Expr.Repeat repeat -> todo.add(repeat.body());
        case Expr.Ref ref -> called.set(ref.rule());
      }
    }
  }

  /// Size of an expression with the rules it refers to.
  int weight(Expr expr) {
    return switch (expr) {
      case Expr.Chars chars -> 1 + chars.set().ranges();
      case Expr.Bytes bytes -> 1;
      case Expr.Sequence sequence -> sum(sequence.parts());
      case Expr.Choice choice -> sum(choice.alternatives());
      case Expr.Repeat repeat -> {
        int copies = repeat.max() == Expr.Repeat.UNBOUNDED ? repeat.min() + 1 : repeat.max();
        yield (int) Math.min(HUGE, 1L + (long) copies * weight(repeat.body()));
      }
      case Expr.Ref ref ->
          rules.shared(ref.rule()) || recursive.get(ref.rule()) ? 1 : weight[ref.rule()];
    };
  }

  private int sum(List<Expr> parts) {
    int total = 1;
    for (Expr part : parts) {
      total = Math.min(HUGE, total + weight(part));
    }
    return total;
  }

  private void components() {
    int n = refs.length;
    int[] index = new int[n];
    int[] low = new int[n];
    int[] at = new int[n];
    Arrays.fill(index, -1);
    BitSet onStack = new BitSet();
    List<Integer> stack = new ArrayList<>();
    List<Integer> path = new ArrayList<>();
    int counter = 0;
    for (int r = 0; r < n; r++) {
      if (index[r] >= 0) {
        continue;
      }
      path.add(r);
      while (!path.isEmpty()) {
        int v = path.getLast();
        if (index[v] < 0) {
          index[v] = low[v] = counter++;
          stack.add(v);
          onStack.set(v);
        }
        if (at[v] < refs[v].length) {
          int w = refs[v][at[v]++];
          if (index[w] < 0) {
            path.add(w);
          } else if (onStack.get(w)) {
            low[v] = Math.min(low[v], index[w]);
          }
          continue;
        }
        path.removeLast();
        if (!path.isEmpty()) {
          low[path.getLast()] = Math.min(low[path.getLast()], low[v]);
        }
        if (low[v] == index[v]) {
          close(v, stack, onStack);
        }
      }
    }
  }

  /// Components come out callees first, so that weights of callees are known.
  private void close(int v, List<Integer> stack, BitSet onStack) {
    int size = 0;
    int w;
    List<Integer> members = new ArrayList<>();
    do {
      w = stack.removeLast();
      onStack.clear(w);
      members.add(w);
      size++;
    } while (w != v);
    boolean loop = size > 1 || Arrays.binarySearch(refs[v], v) >= 0;
    for (int member : members) {
      if (loop) {
        recursive.set(member);
      }
      weight[member] = HUGE;
    }
    for (int member : members) {
      weight[member] = weight(rules.body(member));
    }
  }
}
