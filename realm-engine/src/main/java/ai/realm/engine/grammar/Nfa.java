package ai.realm.engine.grammar;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/// A nondeterministic automaton under construction, in Thompson's form: each node either forks without
/// input, takes one byte of a range, calls another machine, or ends. Built from the end backwards.
final class Nfa {
  static final int FORK = 0;
  static final int BYTES = 1;
  static final int CALL = 2;
  static final int END = 3;
  static final int NONE = -1;

  /// With the room that arrays grow into.
  private static final long NODE_BYTES = 20;

  /// @param target the node that follows
  private record Range(int first, int last, int target) {}

  private final Budget budget;
  private int size;
  private byte[] kind = new byte[32];

  /// FORK: first target; BYTES: first byte; CALL: machine.
  private int[] a = new int[32];

  /// FORK: second target; BYTES: last byte.
  private int[] b = new int[32];

  private int[] target = new int[32];
  private int start = NONE;

  Nfa(Budget budget) {
    this.budget = budget;
  }

  int size() {
    return size;
  }

  int start() {
    return start;
  }

  void start(int node) {
    start = node;
  }

  int kind(int node) {
    return kind[node];
  }

  int first(int node) {
    return a[node];
  }

  int last(int node) {
    return b[node];
  }

  int machine(int node) {
    return a[node];
  }

  int target(int node) {
    return target[node];
  }

  private int add(int k, int first, int second, int next) {
    if (size == kind.length) {
      kind = Arrays.copyOf(kind, 2 * size);
      a = Arrays.copyOf(a, 2 * size);
      b = Arrays.copyOf(b, 2 * size);
      target = Arrays.copyOf(target, 2 * size);
    }
    if ((size & 15) == 15) {
      budget.states(1);
      budget.bytes(16 * NODE_BYTES);
    }
    kind[size] = (byte) k;
    a[size] = first;
    b[size] = second;
    target[size] = next;
    return size++;
  }

  int end() {
    return add(END, NONE, NONE, NONE);
  }

  int fork(int first, int second) {
    return add(FORK, first, second, NONE);
  }

  /// A fork whose targets are named later, for loops.
  int loop() {
    return add(FORK, NONE, NONE, NONE);
  }

  void close(int loop, int body, int next) {
    a[loop] = body;
    b[loop] = next;
  }

  int bytes(int first, int last, int next) {
    return add(BYTES, first, last, next);
  }

  int call(int machine, int next) {
    return add(CALL, machine, NONE, next);
  }

  /// One character of a set, as UTF-8.
  int chars(CodePoints set, int next) {
    Map<Range, Integer> tails = new HashMap<>();
    int[] entry = {NONE};
    for (int r = 0; r < set.ranges(); r++) {
      Utf8Ranges.split(
          set.first(r),
          set.last(r),
          (first, last, length) -> {
            int node = next;
            for (int i = length - 1; i > 0; i--) {
              Range tail = new Range(first[i], last[i], node);
              Integer known = tails.get(tail);
              node = known != null ? known : bytes(first[i], last[i], node);
              tails.put(tail, node);
            }
            node = bytes(first[0], last[0], node);
            entry[0] = entry[0] == NONE ? node : fork(node, entry[0]);
          });
    }
    return entry[0] == NONE ? loop() : entry[0];
  }

  /// Marks where byte ranges begin: bit b is set when some range tells byte b − 1 from byte b.
  void borders(BitSet borders) {
    for (int i = 0; i < size; i++) {
      if (kind[i] == BYTES) {
        borders.set(a[i]);
        borders.set(b[i] + 1);
      }
    }
  }
}
