package ai.realm.runtime;

import ai.realm.error.RealmException;

/// A guest that was stopped: it trapped, reached outside its memory, or exceeded its time. The runtime
/// makes a fresh instance for the next call.
public final class GuestTrapException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param code `GUEST_TRAP`, `GUEST_MEMORY`, `GUEST_DEADLINE`, `GUEST_CPU`, `GUEST_CANCELLED`,
  ///     `GUEST_STUCK`,
  ///     `OUTPUT_LIMIT` or another limit's, `TOOL_FAILED` or `WORKER_LOST`
  /// @param message one sentence
  public GuestTrapException(String code, String message) {
    super(code, message);
  }

  /// As above, with the failure that led here.
  public GuestTrapException(String code, String message, Throwable cause) {
    super(code, message, cause);
  }
}
