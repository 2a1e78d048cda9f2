package ai.realm.runtime;

import ai.realm.engine.EngineException;
import java.util.Set;

/// What the end of a call says about the tenant's own guest, for its circuit breaker and for whether the
/// default guest stands in. A guest fails where it did what a working one does not; limits of the tenant,
/// an engine that has no room or time, and what the caller asked for say nothing about it.
///
/// | end of the call | verdict |
/// |---|---|
/// | `generate` gave 0 or more | works |
/// | `generate` gave an error, or the host's refusal (`KV_LIMIT`, `QUEUE_FULL`, `CONTEXT_FULL`, a rate, a grammar or template that is none) | neither |
/// | `load_model` gave an error for a model that the host has, other than `ECANCELED`, `EAGAIN`, `EBUSY`, `EDQUOT` | failed |
/// | `load_model` gave one of these, or the host has no such model | neither |
/// | `GUEST_TRAP`, `GUEST_MEMORY`, `GUEST_CPU`, `GUEST_STUCK`, `OUTPUT_LIMIT`, `WORKER_LOST` | failed |
/// | `SAMPLING_FAILED`: its mask or sampler leaves no token | failed |
/// | `GUEST_INVALID`: it cannot be linked, or lacks the function | failed |
/// | a host function failed with what is no error of Realm | failed |
/// | `GUEST_DEADLINE` with most of the time computed | failed |
/// | `GUEST_DEADLINE` else: waiting for the engine and for tools counts into it | neither |
/// | `MEMORY_LIMIT`, `HOST_CALL_RATE`, `CPU_RATE` and other limits of the tenant | neither |
/// | `GUEST_CANCELLED`, `TOOL_FAILED`, `ENGINE_CLOSED`, `ENGINE_FAILURE` | neither |
/// | the caller's output failed | neither |
enum GuestVerdict {
  /// It does what it should: failures before are forgotten.
  WORKS,

  /// One more failure in a row.
  FAILED,

  /// Says nothing about the guest.
  NEITHER;

  private static final Set<String> FAILURES =
      Set.of(
          "GUEST_TRAP", "GUEST_MEMORY", "GUEST_CPU", "GUEST_STUCK", "OUTPUT_LIMIT", "WORKER_LOST");

  private static final Set<Integer> PASSING =
      Set.of(Errno.ECANCELED, Errno.EAGAIN, Errno.EBUSY, Errno.EDQUOT);

  /// Of a call that gave a result.
  ///
  /// @param hasModel whether the host has the model that was asked for
  static GuestVerdict of(LoadedGuest.Answer answer, boolean hasModel) {
    long value = answer.result().value();
    if (answer.loaded()) {
      return value < 0 ? NEITHER : WORKS;
    }
    return hasModel && !PASSING.contains((int) value) ? FAILED : NEITHER;
  }

  /// Of a call that ended with an exception.
  static GuestVerdict of(RuntimeException end) {
    boolean failed =
        switch (end) {
          case GuestTrapException trap -> FAILURES.contains(trap.code()) || trap.wasComputing();
          case GuestFormatException unfit -> true;
          case EngineException engine -> engine.code().equals("SAMPLING_FAILED");
          // A host function failed: see HostFunctions#call.
          case IllegalStateException host -> true;
          default -> false;
        };
    return failed ? FAILED : NEITHER;
  }
}
