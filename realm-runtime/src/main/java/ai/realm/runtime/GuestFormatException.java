package ai.realm.runtime;

import ai.realm.error.RealmException;

/// A WebAssembly module that cannot be a guest: malformed, or importing or exporting what the ABI does
/// not have.
public final class GuestFormatException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param message one sentence: what was expected, what was found
  public GuestFormatException(String message) {
    super("GUEST_INVALID", message);
  }

  /// As above, with the failure that led here.
  public GuestFormatException(String message, Throwable cause) {
    super("GUEST_INVALID", message, cause);
  }
}
