package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A machine made deterministic by the subset construction, calls treated as symbols beside the bytes.
/// State 0 is the start.
final class Dfa {
  /// A set of nodes as a key.
  private record Nodes(int[] ids) {
    @Override
    public boolean equals(Object o) {
      return o instanceof Nodes n && Arrays.equals(ids, n.ids);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(ids);
    }
  }

  /// A set of nodes in a map, about, besides its ids.
  private static final long NODES_BYTES = 96;

  /// A state, about, besides its moves and calls.
  private static final long STATE_BYTES = 48;

  private final Nfa nfa;
  private final ByteClasses classes;
  private final Budget budget;
  private final Map<Nodes, Integer> byTargets = new HashMap<>();
  private final Map<Nodes, Integer> byClosure = new HashMap<>();
  private final List<int[]> closures = new ArrayList<>();
  private final List<int[]> moves = new ArrayList<>();
  private final List<int[]> calls = new ArrayList<>();
  private final List<Boolean> accepting = new ArrayList<>();
  private final int[] seen;
  private final int[] stack;
  private int generation;

  /// Bytes of what only the construction needs.
  private long scratch;

  Dfa(Nfa nfa, ByteClasses classes, Budget budget) {
    this.nfa = nfa;
    this.classes = classes;
    this.budget = budget;
    this.seen = new int[nfa.size()];
    this.stack = new int[2 * nfa.size() + 2];
    state(new int[] {nfa.start()}, 1);
    for (int s = 0; s < closures.size(); s++) {
      expand(s);
    }
    closures.clear();
    byTargets.clear();
    byClosure.clear();
    budget.bytes(-scratch);
  }

  int size() {
    return moves.size();
  }

  /// Pairs of byte class and the state behind it, classes ascending.
  int[] moves(int state) {
    return moves.get(state);
  }

  /// The state behind one byte class, or −1.
  int next(int state, int byteClass) {
    int[] row = moves.get(state);
    int low = 0;
    int high = row.length / 2 - 1;
    while (low <= high) {
      int middle = low + high >>> 1;
      int at = row[2 * middle];
      if (at == byteClass) {
        return row[2 * middle + 1];
      }
      low = at < byteClass ? middle + 1 : low;
      high = at < byteClass ? high : middle - 1;
    }
    return -1;
  }

  /// Pairs of machine and the state to return to.
  int[] calls(int state) {
    return calls.get(state);
  }

  boolean accepting(int state) {
    return accepting.get(state);
  }

  /// Whether no word of it begins another, the empty word is not in it, and it calls nothing: its
  /// repetitions can then be counted.
  boolean isCountable() {
    for (int s = 0; s < size(); s++) {
      boolean goesOn = moves.get(s).length > 0;
      if (calls.get(s).length > 0 || accepting.get(s) && (goesOn || s == 0)) {
        return false;
      }
    }
    return true;
  }

  private void expand(int state) {
    int[] nodes = closures.get(state);
    int n = classes.count();
    int[][] targets = new int[n][];
    int[] counts = new int[n];
    Map<Integer, int[]> called = new HashMap<>();
    for (int node : nodes) {
      switch (nfa.kind(node)) {
        case Nfa.BYTES -> {
          int last = classes.of(nfa.last(node));
          budget.work(1 + last - classes.of(nfa.first(node)));
          for (int c = classes.of(nfa.first(node)); c <= last; c++) {
            targets[c] = append(targets[c], counts[c]++, nfa.target(node));
          }
        }
        case Nfa.CALL -> {
          int[] known = called.getOrDefault(nfa.machine(node), Machines.NONE);
          budget.work(1 + known.length);
          int[] more = Arrays.copyOf(known, known.length + 1);
          more[known.length] = nfa.target(node);
          called.put(nfa.machine(node), more);
        }
        default -> {}
      }
    }
    int[] row = new int[2 * n];
    int k = 0;
    for (int c = 0; c < n; c++) {
      int[] t = targets[c];
      if (t != null) {
        row[k++] = c;
        row[k++] = state(t, counts[c]);
      }
    }
    moves.set(state, k == 0 ? Machines.NONE : Arrays.copyOf(row, k));
    budget.bytes(4L * k + 8L * called.size());
    int[] pairs = called.isEmpty() ? Machines.NONE : new int[2 * called.size()];
    int i = 0;
    for (Map.Entry<Integer, int[]> call : called.entrySet()) {
      pairs[i++] = call.getKey();
      pairs[i++] = state(call.getValue(), call.getValue().length);
    }
    calls.set(state, pairs);
  }

  private static int[] append(int @Nullable [] list, int at, int value) {
    int[] out = list == null ? new int[2] : at == list.length ? Arrays.copyOf(list, 2 * at) : list;
    out[at] = value;
    return out;
  }

  private int state(int[] targets, int count) {
    int[] sorted = Arrays.copyOf(targets, count);
    Arrays.sort(sorted);
    Nodes key = new Nodes(sorted);
    Integer known = byTargets.get(key);
    if (known != null) {
      return known;
    }
    Nodes closure = new Nodes(closure(sorted));
    budget.work(count + closure.ids.length);
    charge(NODES_BYTES + 4L * count);
    Integer same = byClosure.get(closure);
    if (same == null) {
      same = closures.size();
      byClosure.put(closure, same);
      budget.states(1);
      budget.bytes(STATE_BYTES);
      charge(NODES_BYTES + 4L * closure.ids.length);
      closures.add(closure.ids);
      moves.add(Machines.NONE);
      calls.add(Machines.NONE);
      accepting.add(Arrays.stream(closure.ids).anyMatch(id -> nfa.kind(id) == Nfa.END));
    }
    byTargets.put(key, same);
    return same;
  }

  private void charge(long bytes) {
    scratch += bytes;
    budget.bytes(bytes);
  }

  /// The nodes other than forks that can be reached without input, sorted.
  private int[] closure(int[] from) {
    generation++;
    int top = 0;
    int[] out = new int[8];
    int n = 0;
    for (int node : from) {
      if (node >= 0 && seen[node] != generation) {
        seen[node] = generation;
        stack[top++] = node;
      }
    }
    while (top > 0) {
      int node = stack[--top];
      if (nfa.kind(node) != Nfa.FORK) {
        out = append(out, n++, node);
        continue;
      }
      int first = nfa.first(node);
      int second = nfa.last(node);
      if (second >= 0 && seen[second] != generation) {
        seen[second] = generation;
        stack[top++] = second;
      }
      if (first >= 0 && seen[first] != generation) {
        seen[first] = generation;
        stack[top++] = first;
      }
    }
    int[] sorted = Arrays.copyOf(out, n);
    Arrays.sort(sorted);
    return sorted;
  }
}
