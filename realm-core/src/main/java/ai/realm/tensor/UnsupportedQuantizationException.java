package ai.realm.tensor;

import ai.realm.error.RealmException;

/// A type that Realm reads but does not write was asked for.
public final class UnsupportedQuantizationException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param message one sentence: place, expected, found
  public UnsupportedQuantizationException(String message) {
    super("QUANTIZATION_UNSUPPORTED", message);
  }
}
