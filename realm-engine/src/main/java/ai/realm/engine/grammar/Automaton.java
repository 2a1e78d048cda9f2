package ai.realm.engine.grammar;

import java.util.Arrays;
import java.util.BitSet;

/// A grammar as machines that call each other: deterministic automata over byte classes whose states
/// are numbered through. A counted machine repeats its body and is entered and left by count.
/// Immutable.
final class Automaton {
  /// Bytes that a word needs at least, where there is no word.
  static final int NEVER = Integer.MAX_VALUE / 4;

  static final int PLAIN = -1;

  // Sizes, about: what is kept for each state and machine, and an array's own.
  private static final long STATE_BYTES = 18;
  private static final long MACHINE_BYTES = 84;
  private static final int ARRAY_BYTES = 16;

  final ByteClasses classes;
  final int root;

  /// Per machine: its first state.
  final int[] start;

  /// Per machine: least repetitions, or [#PLAIN].
  final int[] countMin;

  /// Per machine: most repetitions.
  final int[] countMax;

  private final Transitions moves;

  /// Pairs of machine and return state.
  final int[][] calls;

  final boolean[] accepting;
  final boolean[] readsBytes;

  /// Per state: fewest bytes to the end of its machine.
  final int[] distance;

  /// Per state: its machine.
  final int[] machine;

  /// Per machine: the byte classes that can follow its end.
  final BitSet[] follow;

  private final long byteSize;

  Automaton(ByteClasses classes, int root, Machines machines, Budget budget) {
    this.classes = classes;
    this.root = root;
    this.start = machines.start();
    this.countMin = machines.countMin();
    this.countMax = machines.countMax();
    this.calls = machines.calls();
    this.accepting = machines.accepting();
    this.readsBytes = new boolean[accepting.length];
    this.machine = new int[accepting.length];
    for (int m = 0; m < start.length; m++) {
      int end = m + 1 < start.length ? start[m + 1] : accepting.length;
      Arrays.fill(machine, start[m], end, m);
    }
    this.distance = Distances.of(machines, budget);
    prune(machines.moves());
    this.follow = Followers.of(machines, distance, machine, classes.count(), budget);
    this.moves = Transitions.pack(machines.moves(), classes.count(), budget);
    this.byteSize = size();
    budget.automaton(byteSize);
  }

  /// About how many bytes it takes.
  long byteSize() {
    return byteSize;
  }

  private long size() {
    long size = moves.byteSize() + STATE_BYTES * states() + MACHINE_BYTES * start.length;
    for (int[] pairs : calls) {
      size += pairs.length == 0 ? 0 : ARRAY_BYTES + 4L * pairs.length;
    }
    return size;
  }

  /// The state behind a byte class, or −1.
  int move(int state, int byteClass) {
    return moves.next(state, byteClass);
  }

  /// The state behind a byte, or −1.
  int next(int state, int value) {
    return moves.next(state, classes.of(value));
  }

  /// The bytes that can follow a machine's end.
  BitSet followingBytes(int machine) {
    BitSet bytes = new BitSet();
    for (int b = 0; b < 256; b++) {
      bytes.set(b, follow[machine].get(classes.of(b)));
    }
    return bytes;
  }

  int states() {
    return accepting.length;
  }

  boolean isCounted(int machine) {
    return countMin[machine] != PLAIN;
  }

  /// Fewest bytes of a word of a machine.
  int distanceThrough(int machine) {
    int once = distance[start[machine]];
    if (!isCounted(machine)) {
      return once;
    }
    return countMin[machine] == 0 ? 0 : times(countMin[machine], once);
  }

  static int times(int count, int once) {
    return (int) Math.min(NEVER, (long) count * once);
  }

  static int plus(int a, int b) {
    return Math.min(NEVER, a + b);
  }

  /// Takes away every way into a state from which no word can be finished.
  private void prune(int[][] rows) {
    for (int s = 0; s < states(); s++) {
      int[] row = rows[s];
      int k = 0;
      for (int i = 0; i < row.length; i += 2) {
        if (distance[row[i + 1]] < NEVER) {
          row[k++] = row[i];
          row[k++] = row[i + 1];
        }
      }
      rows[s] = cut(row, k);
      readsBytes[s] = k > 0;
      int[] pairs = calls[s];
      k = 0;
      for (int i = 0; i < pairs.length; i += 2) {
        if (distanceThrough(pairs[i]) < NEVER && distance[pairs[i + 1]] < NEVER) {
          pairs[k++] = pairs[i];
          pairs[k++] = pairs[i + 1];
        }
      }
      calls[s] = cut(pairs, k);
    }
  }

  private static int[] cut(int[] list, int length) {
    return length == list.length ? list : length == 0 ? Machines.NONE : Arrays.copyOf(list, length);
  }

  /// Whether a state can only return.
  boolean isLast(int state) {
    return accepting[state] && !readsBytes[state] && calls[state].length == 0;
  }
}
