package ai.realm.quantize;

import ai.realm.error.RealmException;

/// A model that cannot be quantized as asked.
public final class QuantizationException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param message one sentence: place, expected, found
  public QuantizationException(String message) {
    super("QUANTIZATION_FAILED", message);
  }

  /// As above, with the failure that led here.
  public QuantizationException(String message, Throwable cause) {
    super("QUANTIZATION_FAILED", message, cause);
  }
}
