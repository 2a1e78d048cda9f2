package ai.realm.gguf;

import ai.realm.error.RealmException;

/// A model file that could not be written. Nothing is left of it; what lay at its place is untouched.
public final class GgufWriteException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param message one sentence: place, expected, found
  public GgufWriteException(String message) {
    super("MODEL_NOT_WRITTEN", message);
  }

  /// As above, with the failure that led here.
  public GgufWriteException(String message, Throwable cause) {
    super("MODEL_NOT_WRITTEN", message, cause);
  }
}
