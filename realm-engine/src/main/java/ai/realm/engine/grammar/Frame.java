package ai.realm.engine.grammar;

import org.jspecify.annotations.Nullable;

/// What waits for a machine to end: the state to go on from, or a counted machine with the repetitions
/// done so far. A stack is its top frame; stacks share their tails. Equal frames have the
/// same parent: [Positions] keeps one of each. Immutable.
final class Frame {
  static final int NO_MACHINE = -1;

  /// State to return to; of a counted frame the start of the body.
  final int state;

  /// The counted machine, or [#NO_MACHINE].
  final int machine;

  final int count;
  final @Nullable Frame parent;
  final int depth;

  /// Fewest bytes from the end of the machine above to the end of the text.
  final int rest;

  private final int hash;

  private Frame(int state, int machine, int count, @Nullable Frame parent, int own) {
    this.state = state;
    this.machine = machine;
    this.count = count;
    this.parent = parent;
    this.depth = parent == null ? 1 : parent.depth + 1;
    this.rest = Automaton.plus(own, parent == null ? 0 : parent.rest);
    this.hash = ((parent == null ? 0 : parent.hash) * 31 + state) * 31 + count * 7 + machine;
  }

  static Frame call(Automaton automaton, int returnState, @Nullable Frame parent) {
    return new Frame(returnState, NO_MACHINE, 0, parent, automaton.distance[returnState]);
  }

  /// @param count repetitions finished before the one above this frame
  static Frame counted(Automaton automaton, int machine, int count, @Nullable Frame parent) {
    int start = automaton.start[machine];
    int missing = Math.max(0, automaton.countMin[machine] - count - 1);
    return new Frame(
        start, machine, count, parent, Automaton.times(missing, automaton.distance[start]));
  }

  boolean isCounted() {
    return machine != NO_MACHINE;
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return o instanceof Frame f
        && f.hash == hash
        && f.state == state
        && f.count == count
        && f.machine == machine
        && f.parent == parent;
  }

  @Override
  public int hashCode() {
    return hash;
  }

  static int hash(@Nullable Frame frame) {
    return frame == null ? 0 : frame.hash;
  }
}
