package ai.realm.model;

import ai.realm.error.RealmException;

/// A well-formed model file that Realm cannot run: an architecture, a setting or a tensor that it does
/// not know. The message names it and lists what is supported.
public final class UnsupportedModelException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param message one sentence: what was found, what is supported
  public UnsupportedModelException(String message) {
    super("MODEL_UNSUPPORTED", message);
  }

  /// As above, with the failure that led here.
  public UnsupportedModelException(String message, Throwable cause) {
    super("MODEL_UNSUPPORTED", message, cause);
  }
}
