package ai.realm.runtime;

import ai.realm.error.RealmException;

/// A layer that could not be written or read.
public final class LayerException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param code `LAYER_IO` where reading or writing failed, `LAYER_CANCELLED` where the call was over or the
  ///     realm gone before it was done
  /// @param message one sentence
  LayerException(String code, String message) {
    super(code, message);
  }

  /// As above, with the failure that led here.
  LayerException(String code, String message, Throwable cause) {
    super(code, message, cause);
  }
}
