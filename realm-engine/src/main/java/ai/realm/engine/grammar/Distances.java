package ai.realm.engine.grammar;

import java.util.Arrays;
import java.util.PriorityQueue;

/// Fewest bytes from each state to the end of its machine. A call's length is known once the called
/// machine's start and the state behind it are, so states are settled nearest first, as Dijkstra does for
/// paths (Knuth, "A generalization of Dijkstra's algorithm", 1977): each state and each move is looked at
/// once.
final class Distances {
  private final Machines machines;
  private final Budget budget;
  private final int[] distance;
  private final boolean[] settled;
  private final PriorityQueue<Long> queue = new PriorityQueue<>();

  // Calls, numbered through.
  private final int[] caller;
  private final int[] callee;
  private final int[] back;

  /// Moves into each state and calls that wait for it: `from[s]` to `from[s + 1]`.
  private final int[] movesFrom;

  private final int[] moves;
  private final int[] callsFrom;
  private final int[] calls;

  private Distances(Machines machines, Budget budget) {
    this.machines = machines;
    this.budget = budget;
    int states = machines.states();
    this.distance = new int[states];
    this.settled = new boolean[states];
    Arrays.fill(distance, Automaton.NEVER);
    int count = 0;
    for (int[] pairs : machines.calls()) {
      count += pairs.length / 2;
    }
    this.caller = new int[count];
    this.callee = new int[count];
    this.back = new int[count];
    this.movesFrom = new int[states + 1];
    this.callsFrom = new int[states + 1];
    number();
    this.moves = new int[movesFrom[states]];
    this.calls = new int[callsFrom[states]];
    fill();
  }

  static int[] of(Machines machines, Budget budget) {
    Distances d = new Distances(machines, budget);
    d.settle();
    return d.distance;
  }

  private void number() {
    int k = 0;
    for (int s = 0; s < machines.states(); s++) {
      int[] row = machines.moves()[s];
      for (int i = 1; i < row.length; i += 2) {
        if (isNew(row, i)) {
          movesFrom[row[i] + 1]++;
        }
      }
      int[] pairs = machines.calls()[s];
      for (int i = 0; i < pairs.length; i += 2) {
        caller[k] = s;
        callee[k] = pairs[i];
        back[k++] = pairs[i + 1];
        callsFrom[pairs[i + 1] + 1]++;
        callsFrom[machines.start()[pairs[i]] + 1]++;
      }
      budget.work(1 + row.length + pairs.length);
    }
    for (int s = 0; s < machines.states(); s++) {
      movesFrom[s + 1] += movesFrom[s];
      callsFrom[s + 1] += callsFrom[s];
    }
  }

  /// Whether a row's move goes elsewhere than the one before it; classes that belong together are
  /// neighbours.
  private static boolean isNew(int[] row, int i) {
    return i < 2 || row[i] != row[i - 2];
  }

  private void fill() {
    int[] movesAt = Arrays.copyOf(movesFrom, movesFrom.length);
    int[] callsAt = Arrays.copyOf(callsFrom, callsFrom.length);
    for (int s = 0; s < machines.states(); s++) {
      int[] row = machines.moves()[s];
      for (int i = 1; i < row.length; i += 2) {
        if (isNew(row, i)) {
          moves[movesAt[row[i]]++] = s;
        }
      }
    }
    for (int k = 0; k < caller.length; k++) {
      calls[callsAt[back[k]]++] = k;
      calls[callsAt[machines.start()[callee[k]]]++] = k;
    }
  }

  private void settle() {
    for (int s = 0; s < machines.states(); s++) {
      if (machines.accepting()[s]) {
        reach(s, 0);
      }
    }
    while (!queue.isEmpty()) {
      int s = (int) (long) queue.remove();
      if (settled[s]) {
        continue;
      }
      settled[s] = true;
      for (int i = movesFrom[s]; i < movesFrom[s + 1]; i++) {
        reach(moves[i], Automaton.plus(1, distance[s]));
      }
      for (int i = callsFrom[s]; i < callsFrom[s + 1]; i++) {
        call(calls[i]);
      }
      budget.work(1L + movesFrom[s + 1] - movesFrom[s] + callsFrom[s + 1] - callsFrom[s]);
    }
  }

  private void call(int k) {
    int machine = callee[k];
    int least = machines.countMin()[machine];
    int start = machines.start()[machine];
    if (!settled[back[k]] || least != 0 && !settled[start]) {
      return;
    }
    int through =
        least == 0
            ? 0
            : least == Automaton.PLAIN ? distance[start] : Automaton.times(least, distance[start]);
    reach(caller[k], Automaton.plus(through, distance[back[k]]));
  }

  private void reach(int state, int bytes) {
    if (bytes < distance[state]) {
      distance[state] = bytes;
      queue.add((long) bytes << 32 | state);
    }
  }
}
