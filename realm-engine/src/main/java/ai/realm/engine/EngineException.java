package ai.realm.engine;

import ai.realm.error.RealmException;

/// A step that was admitted and did not complete: cancelled, out of context, the engine closed or
/// failed.
public final class EngineException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param code `CANCELLED`, `DEADLINE`, `ENGINE_CLOSED`, `ENGINE_FAILURE` or `SAMPLING_FAILED`
  /// @param message one sentence
  public EngineException(String code, String message) {
    super(code, message);
  }

  /// As above, with the failure that led here.
  public EngineException(String code, String message, Throwable cause) {
    super(code, message, cause);
  }
}
