package ai.realm.engine.grammar;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/// What an output may be, compiled. Immutable; make a [Matcher] for each output.
public final class Grammar {
  /// Longer sources are refused.
  private static final int MAX_SOURCE = 1 << 20;

  /// The languages that a grammar can be given in.
  public enum Kind {
    /// llama.cpp's notation.
    GBNF,
    /// JSON Schema, draft 2020-12, the part that `docs/grammars.md` lists.
    JSON_SCHEMA,
    /// A regular expression that the whole output matches.
    REGEX,
    /// Any JSON value; the source is ignored.
    JSON
  }

  private final Automaton automaton;

  private Grammar(Automaton automaton) {
    this.automaton = automaton;
  }

  /// Compiles a grammar.
  ///
  /// @throws GrammarException when the source is not in the language, not supported, or too large
  public static Grammar compile(Kind kind, String source) {
    if (source.length() > MAX_SOURCE) {
      throw GrammarException.limit(
          "grammar: expected at most %d characters, found %d"
              .formatted(MAX_SOURCE, source.length()));
    }
    return new Grammar(
        Automaton.of(
            switch (kind) {
              case GBNF -> GbnfParser.parse(source);
              case JSON_SCHEMA -> JsonSchemaConverter.convert(source);
              case JSON -> JsonSchemaConverter.convert("true");
              case REGEX -> {
                Map<String, Node> rules = new LinkedHashMap<>();
                rules.put("root", RegexParser.parse(source));
                yield rules;
              }
            }));
  }

  Automaton automaton() {
    return automaton;
  }

  /// Whether a text is a complete output.
  public boolean accepts(String text) {
    StateTable table = new StateTable(automaton);
    StateTable.State state = table.initial();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      state = table.step(state, b & 0xff);
      if (state == null) {
        return false;
      }
    }
    return state.accepting;
  }
}
