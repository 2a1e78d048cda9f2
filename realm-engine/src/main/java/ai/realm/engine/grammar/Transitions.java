package ai.realm.engine.grammar;

import java.util.Arrays;
import java.util.BitSet;

/// The moves of states over byte classes. Most states of a grammar have few, so rows are laid over each
/// other: an entry of one lies in a gap of others, and each cell names the state it belongs to (row
/// displacement; Ziegler 1977, Aho et al. "Compilers" 3.9). A look-up is one comparison. Immutable.
final class Transitions {
  /// Places that are tried for a row before it goes behind all others.
  private static final int TRIES = 32;

  private static final int FREE = -1;

  /// Per state: where its row begins.
  private final int[] base;

  /// Pairs of a state and its next one.
  private final int[] cells;

  private Transitions(int[] base, int[] cells) {
    this.base = base;
    this.cells = cells;
  }

  /// The state behind a byte class, or −1.
  int next(int state, int byteClass) {
    int cell = 2 * (base[state] + byteClass);
    return cells[cell] == state ? cells[cell + 1] : -1;
  }

  /// About how many bytes it takes.
  long byteSize() {
    return 4L * base.length + 4L * cells.length;
  }

  /// Packs rows: pairs of byte class and next state, classes ascending.
  static Transitions pack(int[][] rows, int classes, Budget budget) {
    int[] base = new int[rows.length];
    int[] cells = new int[Math.max(2 * classes, 4 * rows.length)];
    Arrays.fill(cells, FREE);
    BitSet used = new BitSet();
    int cursor = 0;
    int end = classes;
    for (int s = 0; s < rows.length; s++) {
      int[] row = rows[s];
      if (row.length == 0) {
        continue;
      }
      int at = used.nextClearBit(Math.max(cursor, row[0]));
      int tries = 0;
      while (!fits(row, at - row[0], used)) {
        budget.work(row.length);
        if (++tries == TRIES) {
          cursor = at;
          at = Math.max(at, used.length()) + row[0];
        } else {
          at = used.nextClearBit(at + 1);
        }
      }
      base[s] = at - row[0];
      end = Math.max(end, base[s] + classes);
      if (2 * end > cells.length) {
        budget.automaton(8L * end);
        int before = cells.length;
        cells = Arrays.copyOf(cells, Math.max(2 * end, before + before / 2));
        Arrays.fill(cells, before, cells.length, FREE);
      }
      for (int i = 0; i < row.length; i += 2) {
        int cell = base[s] + row[i];
        used.set(cell);
        cells[2 * cell] = s;
        cells[2 * cell + 1] = row[i + 1];
      }
      budget.work(row.length);
    }
    return new Transitions(base, Arrays.copyOf(cells, 2 * end));
  }

  private static boolean fits(int[] row, int at, BitSet used) {
    for (int i = 0; i < row.length; i += 2) {
      if (used.get(at + row[i])) {
        return false;
      }
    }
    return true;
  }
}
