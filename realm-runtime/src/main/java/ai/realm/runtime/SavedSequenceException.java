package ai.realm.runtime;

import ai.realm.error.RealmException;

/// A saved sequence that cannot be used.
public final class SavedSequenceException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param code `SAVED_KV_INVALID` for what is no saved sequence or is damaged, `SAVED_KV_MISMATCH` for one
  ///     of another model, adapter or KV layout, `SAVED_KV_IO` where reading or writing failed
  /// @param message one sentence: place, expected, found
  SavedSequenceException(String code, String message) {
    super(code, message);
  }

  /// As above, with the failure that led here.
  SavedSequenceException(String code, String message, Throwable cause) {
    super(code, message, cause);
  }
}
