package ai.realm.engine;

import ai.realm.error.RealmException;

/// A request that was refused before anything was allocated for it. The message names the limit, what
/// it allows and what was asked for; there is no stack trace, so that refusing stays cheap.
public final class AdmissionException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param code which limit, such as `QUEUE_FULL` or `KV_LIMIT`
  /// @param message one sentence: the limit, what it allows, what was asked for
  public AdmissionException(String code, String message) {
    super(code, message, false);
  }
}
