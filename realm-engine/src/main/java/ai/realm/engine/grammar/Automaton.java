package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A grammar as one nondeterministic automaton a rule (a recursive transition network, Woods 1970)
/// over the bytes of UTF-8. An edge takes a byte of a range, or nothing, or runs another rule first.
final class Automaton {
  private static final int MAX_NODES = 200_000;

  static final byte BYTES = 0;
  static final byte EMPTY = 1;
  static final byte CALL = 2;

  /// Edges as lists through arrays: `firstEdge[node]`, then `nextEdge[edge]`; −1 ends.
  private int[] firstEdge = new int[256];

  private int[] nextEdge = new int[256];
  private byte[] kind = new byte[256];

  /// The byte range `low << 8 | high`, or the rule called.
  private int[] label = new int[256];

  private int[] target = new int[256];
  private int nodes;
  private int edges;

  private final List<String> names = new ArrayList<>();
  private final int[] start;
  private final int[] end;

  private Automaton(Map<String, Node> rules) {
    names.addAll(rules.keySet());
    start = new int[names.size()];
    end = new int[names.size()];
    Map<String, Integer> numbers = new HashMap<>();
    for (int i = 0; i < names.size(); i++) {
      numbers.put(names.get(i), i);
      start[i] = newNode();
      end[i] = newNode();
    }
    int rule = 0;
    for (Node body : rules.values()) {
      build(body, start[rule], end[rule], numbers);
      rule++;
    }
    refuseLeftRecursion();
  }

  /// Compiles rules, one of which is `root`.
  ///
  /// @throws GrammarException when a rule is missing, left-recursive, or the whole is too large
  static Automaton of(Map<String, Node> rules) {
    return new Automaton(rules);
  }

  int root() {
    return names.indexOf("root");
  }

  int start(int rule) {
    return start[rule];
  }

  /// Whether a rule ends at a node. Begin and end of rule i are nodes 2i and 2i + 1.
  boolean isEnd(int node) {
    return node < 2 * start.length && (node & 1) == 1;
  }

  int firstEdge(int node) {
    return firstEdge[node];
  }

  int nextEdge(int edge) {
    return nextEdge[edge];
  }

  byte kind(int edge) {
    return kind[edge];
  }

  int label(int edge) {
    return label[edge];
  }

  int target(int edge) {
    return target[edge];
  }

  // ---- building
  // -----------------------------------------------------------------------------------

  private int newNode() {
    if (nodes == MAX_NODES) {
      throw GrammarException.limit(
          "grammar: expected at most " + MAX_NODES + " states; lower its repetitions");
    }
    if (nodes == firstEdge.length) {
      firstEdge = Arrays.copyOf(firstEdge, nodes * 2);
    }
    firstEdge[nodes] = -1;
    return nodes++;
  }

  private void edge(int from, byte edgeKind, int edgeLabel, int to) {
    if (edges == kind.length) {
      nextEdge = Arrays.copyOf(nextEdge, edges * 2);
      kind = Arrays.copyOf(kind, edges * 2);
      label = Arrays.copyOf(label, edges * 2);
      target = Arrays.copyOf(target, edges * 2);
    }
    kind[edges] = edgeKind;
    label[edges] = edgeLabel;
    target[edges] = to;
    nextEdge[edges] = firstEdge[from];
    firstEdge[from] = edges++;
  }

  private void build(Node node, int from, int to, Map<String, Integer> numbers) {
    switch (node) {
      case Node.Chars c -> {
        for (int[] range : c.set().ranges()) {
          utf8(range[0], range[1], from, to);
        }
      }
      case Node.Sequence s -> {
        int at = from;
        for (int i = 0; i < s.items().size(); i++) {
          int next = i + 1 < s.items().size() ? newNode() : to;
          build(s.items().get(i), at, next, numbers);
          at = next;
        }
        if (s.items().isEmpty()) {
          edge(from, EMPTY, 0, to);
        }
      }
      case Node.Choice c -> {
        for (Node option : c.options()) {
          // A node of its own, so that a loop in one option does not leak into another.
          int begin = newNode();
          edge(from, EMPTY, 0, begin);
          build(option, begin, to, numbers);
        }
      }
      case Node.Repeat r -> repeat(r, from, to, numbers);
      case Node.Rule r -> {
        Integer rule = numbers.get(r.name());
        if (rule == null) {
          throw GrammarException.invalid("grammar: rule " + r.name() + " is not defined");
        }
        edge(from, CALL, rule, to);
      }
    }
  }

  private void repeat(Node.Repeat r, int from, int to, Map<String, Integer> numbers) {
    int at = from;
    for (int i = 0; i < r.min(); i++) {
      int next = newNode();
      build(r.item(), at, next, numbers);
      at = next;
    }
    if (r.max() < 0) {
      int loop = newNode();
      int back = newNode();
      edge(at, EMPTY, 0, loop);
      build(r.item(), loop, back, numbers);
      edge(back, EMPTY, 0, loop);
      edge(loop, EMPTY, 0, to);
      return;
    }
    for (int i = r.min(); i < r.max(); i++) {
      edge(at, EMPTY, 0, to);
      int next = newNode();
      build(r.item(), at, next, numbers);
      at = next;
    }
    edge(at, EMPTY, 0, to);
  }

  private void bytes(int low, int high, int from, int to) {
    edge(from, BYTES, low << 8 | high, to);
  }

  /// Adds the UTF-8 encodings of the characters `first` to `last`, all of one length at a time.
  private void utf8(int first, int last, int from, int to) {
    int[] limits = {0x7f, 0x7ff, 0xffff, 0x10ffff};
    int at = first;
    for (int length = 1; length <= 4; length++) {
      int most = Math.min(last, limits[length - 1]);
      if (at <= most) {
        encoded(at, most, length, from, to);
        at = most + 1;
      }
    }
  }

  private void encoded(int first, int last, int length, int from, int to) {
    if (length == 1) {
      bytes(first, last, from, to);
      return;
    }
    int shift = 6 * (length - 1);
    int lead = new int[] {0, 0, 0xc0, 0xe0, 0xf0}[length];
    split(first, last, shift, lead, from, to);
  }

  /// Ranges of a leading byte whose tails are whole or partial.
  private void split(int first, int last, int shift, int lead, int from, int to) {
    if (shift == 0) {
      bytes(lead | first, lead | last, from, to);
      return;
    }
    int mask = (1 << shift) - 1;
    int firstHead = first >> shift;
    int lastHead = last >> shift;
    if (firstHead == lastHead) {
      int next = newNode();
      bytes(lead | firstHead, lead | firstHead, from, next);
      split(first & mask, last & mask, shift - 6, 0x80, next, to);
      return;
    }
    if ((first & mask) != 0) {
      split(first, firstHead << shift | mask, shift, lead, from, to);
      firstHead++;
    }
    int wholeEnd = (last & mask) == mask ? lastHead : lastHead - 1;
    if (firstHead <= wholeEnd) {
      int next = newNode();
      bytes(lead | firstHead, lead | wholeEnd, from, next);
      split(0, mask, shift - 6, 0x80, next, to);
    }
    if (wholeEnd < lastHead) {
      split(lastHead << shift, last, shift, lead, from, to);
    }
  }

  // ---- checks
  // -------------------------------------------------------------------------------------

  /// A rule that begins with itself would be run without end.
  private void refuseLeftRecursion() {
    boolean[] nullable = new boolean[names.size()];
    boolean changed = true;
    while (changed) {
      changed = false;
      for (int r = 0; r < names.size(); r++) {
        if (!nullable[r] && firsts(r, nullable, null)) {
          nullable[r] = true;
          changed = true;
        }
      }
    }
    List<List<Integer>> calls = new ArrayList<>();
    for (int r = 0; r < names.size(); r++) {
      List<Integer> first = new ArrayList<>();
      firsts(r, nullable, first);
      calls.add(first);
    }
    int[] state = new int[names.size()];
    for (int r = 0; r < names.size(); r++) {
      visit(r, calls, state);
    }
  }

  /// Collects the rules that rule `r` can begin with; returns whether it can be empty.
  private boolean firsts(int r, boolean[] nullable, @Nullable List<Integer> into) {
    boolean[] seen = new boolean[nodes];
    int[] open = new int[nodes];
    int count = 0;
    open[count++] = start[r];
    seen[start[r]] = true;
    while (count > 0) {
      int node = open[--count];
      for (int e = firstEdge[node]; e >= 0; e = nextEdge[e]) {
        if (kind[e] == CALL && into != null) {
          into.add(label[e]);
        }
        boolean passes = kind[e] == EMPTY || (kind[e] == CALL && nullable[label[e]]);
        if (passes && !seen[target[e]]) {
          seen[target[e]] = true;
          open[count++] = target[e];
        }
      }
    }
    return seen[end[r]];
  }

  private void visit(int root, List<List<Integer>> calls, int[] state) {
    // Depth-first without recursion: 1 on the path, 2 done.
    List<int[]> path = new ArrayList<>();
    if (state[root] != 0) {
      return;
    }
    path.add(new int[] {root, 0});
    state[root] = 1;
    while (!path.isEmpty()) {
      int[] top = path.getLast();
      if (top[1] == calls.get(top[0]).size()) {
        state[top[0]] = 2;
        path.removeLast();
        continue;
      }
      int next = calls.get(top[0]).get(top[1]++);
      if (state[next] == 1) {
        throw GrammarException.invalid(
            "grammar: rule " + names.get(next) + " begins with itself (left recursion)");
      }
      if (state[next] == 0) {
        state[next] = 1;
        path.add(new int[] {next, 0});
      }
    }
  }
}
