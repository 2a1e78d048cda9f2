package ai.realm.tokenizer;

import ai.realm.error.RealmException;

/// A vocabulary that cannot be used: of an unknown kind, or inconsistent. The message names the
/// metadata key, what was expected and what was found.
public final class TokenizerException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param message one sentence: key, expected, found
  public TokenizerException(String message) {
    super("TOKENIZER_INVALID", message);
  }

  /// A text from the file as it may stand in a message: short, without control characters.
  static String quote(String text) {
    String cut = text.length() > 40 ? text.substring(0, 40) + "…" : text;
    return '"' + cut.replaceAll("\\p{Cntrl}", "?") + '"';
  }
}
