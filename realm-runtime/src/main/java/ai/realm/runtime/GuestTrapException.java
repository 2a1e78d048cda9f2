package ai.realm.runtime;

import ai.realm.error.RealmException;

/// A guest that was stopped: it trapped, reached outside its memory, or exceeded its time. The runtime
/// makes a fresh instance for the next call.
public final class GuestTrapException extends RealmException {
  private static final long serialVersionUID = 1L;

  private final boolean computing;

  /// @param code `GUEST_TRAP`, `GUEST_MEMORY`, `GUEST_DEADLINE`, `GUEST_CPU`, `GUEST_CANCELLED`,
  ///     `GUEST_STUCK`,
  ///     `OUTPUT_LIMIT` or another limit's, `TOOL_FAILED` or `WORKER_LOST`
  /// @param message one sentence
  public GuestTrapException(String code, String message) {
    this(code, message, false);
  }

  private GuestTrapException(String code, String message, boolean computing) {
    super(code, message);
    this.computing = computing;
  }

  /// `GUEST_DEADLINE`.
  ///
  /// @param computing whether the guest had computed for most of its time, and not waited
  static GuestTrapException deadline(boolean computing) {
    return new GuestTrapException(
        "GUEST_DEADLINE", "guest: its time for the call is over", computing);
  }

  /// As above, with the failure that led here.
  public GuestTrapException(String code, String message, Throwable cause) {
    super(code, message, cause);
    this.computing = false;
  }

  /// Whether it met its deadline by its own work.
  boolean wasComputing() {
    return computing;
  }
}
