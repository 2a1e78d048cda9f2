package ai.realm.engine.grammar;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// A compiled constraint on output: what texts it may become. Thread-safe; compiled once, then followed
/// by a [Matcher] for each output. Keeps the masks of the vocabularies that it is used with.
public final class Grammar {
  private final Automaton automaton;
  private final Map<TokenTrie, StateMasks> masks = new ConcurrentHashMap<>();

  private Grammar(Automaton automaton) {
    this.automaton = automaton;
  }

  /// The languages that a grammar can be given in.
  public enum Kind {
    /// llama.cpp's notation, from the rule `root`.
    GBNF,
    /// JSON Schema, draft 2020-12, the part that `docs/grammars.md` lists.
    JSON_SCHEMA,
    /// A regular expression that the whole output matches.
    REGEX,
    /// Any JSON value; the source is ignored.
    JSON
  }

  /// Compiles with [GrammarLimits#standard].
  ///
  /// @throws GrammarException when the source is not in the language, not supported, or too large
  public static Grammar compile(Kind kind, String source) {
    return compile(kind, source, GrammarLimits.standard());
  }

  /// Compiles a grammar.
  ///
  /// @throws GrammarException when the source is not in the language, not supported, or too large
  public static Grammar compile(Kind kind, String source, GrammarLimits limits) {
    Budget budget = new Budget(limits);
    RuleSet rules =
        switch (kind) {
          case GBNF -> GbnfParser.parse(source, budget);
          case JSON_SCHEMA -> SchemaCompiler.compile(source, budget);
          case REGEX -> RegexParser.rules(source, budget);
          case JSON -> JsonRules.any(budget);
        };
    return new Grammar(AutomatonBuilder.build(rules));
  }

  /// The masks over a vocabulary, shared by all matchers on it.
  StateMasks masks(TokenTrie vocabulary) {
    return masks.computeIfAbsent(vocabulary, v -> new StateMasks(automaton, v));
  }

  Automaton automaton() {
    return automaton;
  }

  /// About how many bytes it takes, with the masks that were made so far.
  public long byteSize() {
    long size = automaton.byteSize();
    for (StateMasks known : masks.values()) {
      size += known.byteSize();
    }
    return size;
  }

  /// Forgets the masks that were made so far: they are made anew when they are needed.
  public void forgetMasks() {
    masks.values().forEach(StateMasks::forget);
  }

  /// Number of automaton states.
  public int states() {
    return automaton.states();
  }

  /// Whether a text is a complete output.
  public boolean accepts(String text) {
    return matches(automaton, text.getBytes(StandardCharsets.UTF_8));
  }

  static boolean matches(Automaton automaton, byte[] text) {
    Positions positions = new Positions(automaton);
    Position p = positions.start();
    for (int i = 0; i < text.length && p != Position.DEAD; i++) {
      p = positions.tidy(positions.step(p, automaton.classes.of(text[i] & 0xFF)));
    }
    return p.complete;
  }
}
