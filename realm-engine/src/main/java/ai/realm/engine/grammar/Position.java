package ai.realm.engine.grammar;

import org.jspecify.annotations.Nullable;

/// Where a text stands in a grammar: every state that could read the next byte, each with its stack,
/// and whether the text may end here. Immutable but for its cache of successors.
final class Position {
  /// Nothing can follow, and the text cannot end either.
  static final Position DEAD = new Position(new int[0], new Frame[0], false, 0);

  final int[] states;
  final @Nullable Frame[] frames;
  final boolean complete;

  /// Fewest bytes to the end of the text.
  final int rest;

  @Nullable Position @Nullable [] next;
  private final int hash;

  Position(int[] states, @Nullable Frame[] frames, boolean complete, int rest) {
    this.states = states;
    this.frames = frames;
    this.complete = complete;
    this.rest = rest;
    int h = complete ? 1 : 0;
    for (int i = 0; i < states.length; i++) {
      h = (h * 31 + states[i]) * 31 + Frame.hash(frames[i]);
    }
    this.hash = h;
  }

  int size() {
    return states.length;
  }

  @Override
  public boolean equals(Object o) {
    if (!(o instanceof Position p)
        || p.hash != hash
        || p.complete != complete
        || p.states.length != states.length) {
      return false;
    }
    for (int i = 0; i < states.length; i++) {
      if (states[i] != p.states[i] || frames[i] != p.frames[i]) {
        return false;
      }
    }
    return true;
  }

  @Override
  public int hashCode() {
    return hash;
  }
}
