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

  final ByteClasses classes;
  final int root;

  /// Per machine: its first state.
  final int[] start;

  /// Per machine: least repetitions, or [#PLAIN].
  final int[] countMin;

  /// Per machine: most repetitions.
  final int[] countMax;

  /// `next[state * classes.count() + class]`, −1 where there is none.
  final int[] next;

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

  Automaton(
      ByteClasses classes,
      int root,
      int[] start,
      int[] countMin,
      int[] countMax,
      int[] next,
      int[][] calls,
      boolean[] accepting) {
    this.classes = classes;
    this.root = root;
    this.start = start;
    this.countMin = countMin;
    this.countMax = countMax;
    this.next = next;
    this.calls = calls;
    this.accepting = accepting;
    this.readsBytes = new boolean[accepting.length];
    this.distance = new int[accepting.length];
    this.machine = new int[accepting.length];
    for (int m = 0; m < start.length; m++) {
      int end = m + 1 < start.length ? start[m + 1] : accepting.length;
      Arrays.fill(machine, start[m], end, m);
    }
    measure();
    prune();
    this.follow = new BitSet[start.length];
    findFollowers();
  }

  /// About how many bytes it takes.
  long byteSize() {
    long size = 4L * next.length + 32L * states();
    for (int[] pairs : calls) {
      size += 4L * pairs.length;
    }
    return size;
  }

  /// The state behind a byte, or −1.
  int next(int state, int value) {
    return next[state * classes.count() + classes.of(value)];
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

  /// Least fixed point; backwards, since machines mostly call later ones.
  private void measure() {
    Arrays.fill(distance, NEVER);
    int n = classes.count();
    boolean changed = true;
    while (changed) {
      changed = false;
      for (int s = states() - 1; s >= 0; s--) {
        int best = accepting[s] ? 0 : distance[s];
        for (int c = 0; c < n; c++) {
          int t = next[s * n + c];
          if (t >= 0) {
            best = Math.min(best, plus(1, distance[t]));
          }
        }
        int[] pairs = calls[s];
        for (int i = 0; i < pairs.length; i += 2) {
          best = Math.min(best, plus(distanceThrough(pairs[i]), distance[pairs[i + 1]]));
        }
        if (best < distance[s]) {
          distance[s] = best;
          changed = true;
        }
      }
    }
  }

  /// Takes away every way into a state from which no word can be finished.
  private void prune() {
    int n = classes.count();
    for (int s = 0; s < states(); s++) {
      for (int c = 0; c < n; c++) {
        int t = next[s * n + c];
        if (t >= 0 && distance[t] >= NEVER) {
          next[s * n + c] = -1;
        }
        readsBytes[s] |= next[s * n + c] >= 0;
      }
      int[] pairs = calls[s];
      int[] kept = new int[pairs.length];
      int k = 0;
      for (int i = 0; i < pairs.length; i += 2) {
        if (distanceThrough(pairs[i]) < NEVER && distance[pairs[i + 1]] < NEVER) {
          kept[k++] = pairs[i];
          kept[k++] = pairs[i + 1];
        }
      }
      calls[s] = Arrays.copyOf(kept, k);
    }
  }

  /// What can be read first from a state and what can follow a machine, as a least fixed point. Only
  /// states that machines start in or return to matter.
  private void findFollowers() {
    BitSet wanted = new BitSet();
    for (int m = 0; m < start.length; m++) {
      follow[m] = new BitSet();
      wanted.set(start[m]);
    }
    for (int[] pairs : calls) {
      for (int i = 1; i < pairs.length; i += 2) {
        wanted.set(pairs[i]);
      }
    }
    BitSet[] first = new BitSet[states()];
    int n = classes.count();
    for (int s = 0; s < states(); s++) {
      first[s] = new BitSet();
      for (int c = 0; c < n && wanted.get(s); c++) {
        first[s].set(c, next[s * n + c] >= 0);
      }
    }
    boolean changed = true;
    while (changed) {
      changed = false;
      for (int s = states() - 1; s >= 0; s--) {
        changed |= wanted.get(s) && readFirst(s, first);
      }
      for (int s = 0; s < states(); s++) {
        changed |= follow(s, first);
      }
    }
  }

  private boolean readFirst(int state, BitSet[] first) {
    int before = first[state].cardinality();
    int[] pairs = calls[state];
    for (int i = 0; i < pairs.length; i += 2) {
      first[state].or(first[start[pairs[i]]]);
      if (distanceThrough(pairs[i]) == 0) {
        first[state].or(first[pairs[i + 1]]);
      }
    }
    return first[state].cardinality() != before;
  }

  private boolean follow(int state, BitSet[] first) {
    boolean changed = false;
    int[] pairs = calls[state];
    for (int i = 0; i < pairs.length; i += 2) {
      BitSet after = follow[pairs[i]];
      int before = after.cardinality();
      after.or(first[pairs[i + 1]]);
      if (distance[pairs[i + 1]] == 0) {
        after.or(follow[machine[state]]);
      }
      changed |= after.cardinality() != before;
    }
    return changed;
  }

  /// Whether a state can only return.
  boolean isLast(int state) {
    return accepting[state] && !readsBytes[state] && calls[state].length == 0;
  }
}
