package ai.realm.engine.grammar;

import java.util.Arrays;
import java.util.BitSet;

/// The byte classes that can follow each machine's end: a least fixed point over two kinds of sets, what
/// can be read first from a state and what can follow a machine. A set that grew is handed to those that
/// contain it, so that each is looked at no more often than the sets it contains grow.
final class Followers {
  /// A set that another one contains.
  private interface Inclusion {
    void of(int inner, int outer);
  }

  private final Machines machines;
  private final int[] distance;
  private final int[] machineOf;
  private final int words;

  /// Sets of states, then those of machines.
  private final long[] sets;

  private final int[] from;
  private final int[] outer;

  private Followers(Machines machines, int[] distance, int[] machineOf, int classes) {
    this.machines = machines;
    this.distance = distance;
    this.machineOf = machineOf;
    this.words = classes + 63 >> 6;
    int nodes = machines.states() + machines.count();
    this.sets = new long[nodes * words];
    this.from = new int[nodes + 1];
    BitSet wanted = wanted();
    for (int s = wanted.nextSetBit(0); s >= 0; s = wanted.nextSetBit(s + 1)) {
      int[] row = machines.moves()[s];
      for (int i = 0; i < row.length; i += 2) {
        sets[s * words + (row[i] >> 6)] |= 1L << row[i];
      }
    }
    inclusions(wanted, (inner, o) -> from[inner + 1]++);
    for (int i = 0; i < nodes; i++) {
      from[i + 1] += from[i];
    }
    this.outer = new int[from[nodes]];
    int[] at = Arrays.copyOf(from, nodes);
    inclusions(wanted, (inner, o) -> outer[at[inner]++] = o);
  }

  /// @param distance per state the fewest bytes to the end of its machine
  /// @param machineOf per state its machine
  static BitSet[] of(
      Machines machines, int[] distance, int[] machineOf, int classes, Budget budget) {
    Followers f = new Followers(machines, distance, machineOf, classes);
    f.grow(budget);
    BitSet[] follow = new BitSet[machines.count()];
    for (int m = 0; m < follow.length; m++) {
      int at = (machines.states() + m) * f.words;
      follow[m] = BitSet.valueOf(Arrays.copyOfRange(f.sets, at, at + f.words));
    }
    return follow;
  }

  /// The states that machines start in or return to; what others read first does not matter.
  private BitSet wanted() {
    BitSet wanted = new BitSet();
    for (int start : machines.start()) {
      wanted.set(start);
    }
    for (int[] pairs : machines.calls()) {
      for (int i = 1; i < pairs.length; i += 2) {
        wanted.set(pairs[i]);
      }
    }
    return wanted;
  }

  private void inclusions(BitSet wanted, Inclusion each) {
    int states = machines.states();
    for (int s = 0; s < states; s++) {
      int[] pairs = machines.calls()[s];
      for (int i = 0; i < pairs.length; i += 2) {
        int start = machines.start()[pairs[i]];
        int back = pairs[i + 1];
        int after = states + pairs[i];
        if (wanted.get(s)) {
          each.of(start, s);
          if (machines.countMin()[pairs[i]] == 0 || distance[start] == 0) {
            each.of(back, s);
          }
        }
        each.of(back, after);
        if (distance[back] == 0) {
          each.of(states + machineOf[s], after);
        }
      }
    }
  }

  private void grow(Budget budget) {
    int nodes = from.length - 1;
    int[] queue = new int[nodes];
    BitSet queued = new BitSet(nodes);
    int size = nodes;
    for (int i = 0; i < nodes; i++) {
      queue[i] = i;
    }
    queued.set(0, nodes);
    for (int at = 0; size > 0; at = at + 1 == nodes ? 0 : at + 1, size--) {
      int inner = queue[at];
      queued.clear(inner);
      for (int i = from[inner]; i < from[inner + 1]; i++) {
        int o = outer[i];
        if (include(inner, o) && !queued.get(o)) {
          queued.set(o);
          // The inner set's own place is free already.
          queue[(int) (((long) at + size) % nodes)] = o;
          size++;
        }
      }
      budget.work(1L + from[inner + 1] - from[inner]);
    }
  }

  private boolean include(int inner, int o) {
    boolean grew = false;
    for (int w = 0; w < words; w++) {
      long before = sets[o * words + w];
      long both = before | sets[inner * words + w];
      sets[o * words + w] = both;
      grew |= both != before;
    }
    return grew;
  }
}
