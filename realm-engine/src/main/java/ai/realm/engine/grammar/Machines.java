package ai.realm.engine.grammar;

/// A grammar's machines as they come from the subset construction, before they are packed: states are
/// numbered through, machine by machine.
///
/// @param start per machine its first state
/// @param countMin per machine the least repetitions, or [Automaton#PLAIN]
/// @param countMax per machine the most repetitions
/// @param moves per state pairs of byte class and next state, classes ascending
/// @param calls per state pairs of machine and the state to return to
/// @param accepting per state whether its machine may end there
record Machines(
    int[] start,
    int[] countMin,
    int[] countMax,
    int[][] moves,
    int[][] calls,
    boolean[] accepting) {
  static final int[] NONE = {};

  int states() {
    return accepting.length;
  }

  int count() {
    return start.length;
  }
}
