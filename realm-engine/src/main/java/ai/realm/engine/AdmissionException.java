package ai.realm.engine;

import ai.realm.error.RealmException;
import java.time.Duration;

/// A request that was refused before anything was allocated for it. The message names the limit, what
/// it allows and what was asked for; there is no stack trace, so that refusing stays cheap.
public final class AdmissionException extends RealmException {
  private static final long serialVersionUID = 1L;

  private final long retryAfterNanos;

  /// @param code which limit, such as `QUEUE_FULL` or `KV_LIMIT`
  /// @param message one sentence: the limit, what it allows, what was asked for
  public AdmissionException(String code, String message) {
    this(code, message, 0);
  }

  /// @param code which limit
  /// @param message one sentence
  /// @param retryAfterNanos when to try again; 0 when that does not depend on time
  AdmissionException(String code, String message, long retryAfterNanos) {
    super(code, message, false);
    this.retryAfterNanos = retryAfterNanos;
  }

  /// When a retry may succeed, by what steps took of late; zero when that does not depend on time.
  public Duration retryAfter() {
    return Duration.ofNanos(retryAfterNanos);
  }
}
