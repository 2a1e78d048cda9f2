package ai.realm.engine.grammar;

/// What one compilation has left of its [GrammarLimits]. Used by one thread.
final class Budget {
  private final GrammarLimits limits;
  private final long deadlineNanos;
  private int states;

  Budget(GrammarLimits limits) {
    this.limits = limits;
    this.deadlineNanos = System.nanoTime() + limits.maxMillis() * 1_000_000;
  }

  GrammarLimits limits() {
    return limits;
  }

  void source(String text) {
    if (text.length() > limits.maxSourceChars()) {
      throw GrammarException.limit(
          "grammar: expected at most %d characters, found %d"
              .formatted(limits.maxSourceChars(), text.length()));
    }
  }

  void depth(int depth) {
    if (depth > limits.maxDepth()) {
      throw GrammarException.limit(
          "grammar: expected at most %d nested levels".formatted(limits.maxDepth()));
    }
  }

  void rules(int count) {
    if (count > limits.maxRules()) {
      throw GrammarException.limit(
          "grammar: expected at most %d rules".formatted(limits.maxRules()));
    }
    time();
  }

  void states(int added) {
    states += added;
    if (states > limits.maxStates()) {
      throw GrammarException.limit(
          "grammar: expected at most %d states".formatted(limits.maxStates()));
    }
    if ((states & 63) == 0) {
      time();
    }
  }

  void time() {
    if (System.nanoTime() - deadlineNanos > 0) {
      throw GrammarException.limit(
          "grammar: expected to compile within %d ms".formatted(limits.maxMillis()));
    }
  }
}
