package ai.realm.engine.grammar;

/// What compiling a grammar may use; beyond it stands `GRAMMAR_LIMIT`.
///
/// @param maxSourceChars length of the text
/// @param maxDepth nested groups of a grammar or pattern, nested values of a schema
/// @param maxRules rules, also those that a schema becomes
/// @param maxStates automaton states in all
/// @param maxBytes of the compiled automaton; its machines take at most four times as much while it is
///     made
/// @param maxMillis CPU time; of a virtual thread, whose CPU time is not known, the time that passes
public record GrammarLimits(
    int maxSourceChars, int maxDepth, int maxRules, int maxStates, long maxBytes, long maxMillis) {
  /// Every limit is positive, and depth at most 1,000.
  public GrammarLimits {
    if (maxSourceChars < 1 || maxRules < 1 || maxStates < 1 || maxBytes < 1 || maxMillis < 1) {
      throw new IllegalArgumentException("grammar limits: expected positive values");
    }
    if (maxDepth < 1 || maxDepth > 1000) {
      throw new IllegalArgumentException("maxDepth: expected 1 to 1000, found " + maxDepth);
    }
  }

  /// For grammars from strangers.
  public static GrammarLimits standard() {
    return new GrammarLimits(256 << 10, 64, 20_000, 60_000, 8L << 20, 2_000);
  }
}
