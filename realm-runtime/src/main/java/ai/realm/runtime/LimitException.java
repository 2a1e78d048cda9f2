package ai.realm.runtime;

import ai.realm.error.RealmException;
import java.time.Duration;

/// A limit of a tenant is reached. Nothing was done for the request, or it ended early; the message names
/// the limit and what it allows. It has no stack trace, so that refusing stays cheap.
public final class LimitException extends RealmException {
  private static final long serialVersionUID = 1L;

  private final long retryAfterNanos;

  /// @param code which limit, such as `REQUEST_RATE`
  /// @param message one sentence: the limit and what it allows
  /// @param retryAfterNanos when to try again; 0 when that does not depend on time
  public LimitException(String code, String message, long retryAfterNanos) {
    super(code, message, false);
    this.retryAfterNanos = retryAfterNanos;
  }

  /// When a retry can succeed at the earliest; zero when that does not depend on time. For `TOO_MANY_CALLS` an
  /// estimate of when one of the tenant's calls ends, by how long they took of late; zero before any has ended.
  public Duration retryAfter() {
    return Duration.ofNanos(retryAfterNanos);
  }
}
