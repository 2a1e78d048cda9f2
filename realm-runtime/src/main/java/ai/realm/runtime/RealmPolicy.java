package ai.realm.runtime;

import java.time.Duration;

/// How a tenant's realm is run.
///
/// @param limits what it may take
/// @param tools functions of the embedding program that its guests may call
/// @param fallback whether the default guest stands in while the tenant's own fails: not for a tenant whose
///     guest checks, redacts or constrains what comes out, since the default guest does not, and whoever can
///     make the tenant's guest fail chooses which of them answers
/// @param failuresToOpen failures in a row that open the circuit breaker
/// @param openFor how long it stays open before the guest is tried again
/// @param isolation where its own guest runs; the default guest always runs in the host's process
public record RealmPolicy(
    ResourceLimits limits,
    GuestTools tools,
    boolean fallback,
    int failuresToOpen,
    Duration openFor,
    Isolation isolation) {
  public RealmPolicy {
    if (failuresToOpen < 1 || !GuestLimits.isDuration(openFor)) {
      throw new IllegalArgumentException(
          "realm policy: expected positive failuresToOpen and openFor, of 100 years at most, found %d, %s"
              .formatted(failuresToOpen, openFor));
    }
  }

  /// No tools and nothing that stands in: after three failures in a row the tenant's own guest is not tried
  /// for 30 seconds.
  public static RealmPolicy of(ResourceLimits limits) {
    return new RealmPolicy(
        limits, GuestTools.NONE, false, 3, Duration.ofSeconds(30), Isolation.inProcess());
  }

  /// The same with other limits.
  public RealmPolicy withLimits(ResourceLimits others) {
    return new RealmPolicy(others, tools, fallback, failuresToOpen, openFor, isolation);
  }

  /// The same with or without the default guest to stand in.
  public RealmPolicy withFallback(boolean stands) {
    return new RealmPolicy(limits, tools, stands, failuresToOpen, openFor, isolation);
  }

  /// The same with tools.
  public RealmPolicy withTools(GuestTools others) {
    return new RealmPolicy(limits, others, fallback, failuresToOpen, openFor, isolation);
  }

  /// The same with another circuit breaker.
  public RealmPolicy withBreaker(int failures, Duration open) {
    return new RealmPolicy(limits, tools, fallback, failures, open, isolation);
  }

  /// The same with its own guest elsewhere.
  public RealmPolicy withIsolation(Isolation other) {
    return new RealmPolicy(limits, tools, fallback, failuresToOpen, openFor, other);
  }
}
