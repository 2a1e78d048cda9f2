package ai.realm.engine.grammar;

/// What one mask, or one move over a token, has left of the steps that it may cost. Used by one thread at a time; an
/// interrupt of it ends the work and stays set.
final class Work {
  /// Steps that one mask may cost, with the masks of states that it makes: some fifty milliseconds. Ten states that each allow
  /// most of a vocabulary of 262,144 tokens take a third of it, once.
  static final int MASK = 32_000_000;

  /// The same for moving over a token.
  static final int ACCEPT = 1_000_000;

  /// Steps between two looks at the interrupt.
  private static final int LOOK = 4096;

  private long left;

  /// What is left at the next look.
  private long nextLook;

  /// With the account of one mask.
  Work() {
    allot(MASK);
  }

  /// Starts the account of one mask or move.
  void allot(int steps) {
    left = steps;
    nextLook = steps - LOOK;
  }

  void spend(int steps) {
    left -= steps;
    if (left < nextLook) {
      look();
    }
  }

  /// @throws GrammarException when nothing is left, or the thread is interrupted
  private void look() {
    if (left < 0) {
      throw GrammarException.limit(
          "grammar: expected fewer ways to read the output so far; following them all costs too much");
    }
    if (Thread.currentThread().isInterrupted()) {
      throw GrammarException.limit("grammar: interrupted while the output was followed");
    }
    nextLook = Math.max(0, left - LOOK);
  }
}
