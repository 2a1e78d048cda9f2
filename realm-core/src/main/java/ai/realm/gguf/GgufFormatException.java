package ai.realm.gguf;

import ai.realm.error.RealmException;

/// A model file that is not what GGUF says it must be. The message names the field, its offset in the
/// file, what was expected and what was found.
public final class GgufFormatException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param message one sentence: field, offset, expected, found
  public GgufFormatException(String message) {
    super("MODEL_INVALID", message);
  }

  /// As above, with the failure that led here.
  public GgufFormatException(String message, Throwable cause) {
    super("MODEL_INVALID", message, cause);
  }
}
