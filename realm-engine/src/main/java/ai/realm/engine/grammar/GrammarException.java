package ai.realm.engine.grammar;

import ai.realm.error.RealmException;

/// A grammar, schema or pattern that cannot be compiled. The message names the place.
public final class GrammarException extends RealmException {
  private static final long serialVersionUID = 1L;

  private GrammarException(String code, String message) {
    super(code, message);
  }

  /// Not in the language.
  static GrammarException invalid(String message) {
    return new GrammarException("GRAMMAR_INVALID", message);
  }

  /// In the language, but not in the part of it that is supported.
  static GrammarException unsupported(String message) {
    return new GrammarException("GRAMMAR_UNSUPPORTED", message);
  }

  /// Larger or deeper than allowed.
  static GrammarException limit(String message) {
    return new GrammarException("GRAMMAR_LIMIT", message);
  }
}
