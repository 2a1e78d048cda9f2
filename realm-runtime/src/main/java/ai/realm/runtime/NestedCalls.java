package ai.realm.runtime;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The calls into guests that a thread is inside of. A tool of a guest may call guests itself, on the
/// guest's thread, and those have tools again: each call knows the one around it, so that the chain is
/// bounded and none waits for itself. A tool that calls guests on a thread of its own begins a new chain.
///
/// @param session what the innermost call runs
/// @param depth calls, 1 for one that no tool made
/// @param around the call whose tool made this one
record NestedCalls(GuestSession session, int depth, @Nullable NestedCalls around) {
  /// The most calls in each other.
  static final int MAX_DEPTH = 8;

  private static final ScopedValue<NestedCalls> PRESENT = ScopedValue.newInstance();

  /// A call into a session from the present thread.
  ///
  /// @throws LimitException `CALL_DEPTH`, or `GUEST_BUSY` where the session itself waits for this call
  static NestedCalls into(GuestSession session, TenantId tenant) {
    NestedCalls around = PRESENT.isBound() ? PRESENT.get() : null;
    for (NestedCalls call = around; call != null; call = call.around()) {
      if (call.session() == session) {
        throw new LimitException(
            "GUEST_BUSY", tenant + ": a tool called the guest that waits for the tool", 0);
      }
    }
    int depth = around == null ? 1 : around.depth() + 1;
    if (depth > MAX_DEPTH) {
      throw new LimitException(
          "CALL_DEPTH",
          "%s: at most %d calls of guests in each other's tools".formatted(tenant, MAX_DEPTH),
          0);
    }
    return new NestedCalls(session, depth, around);
  }

  /// Runs the call's work, which finds this as the call that it is in.
  <T> T run(Supplier<T> work) {
    return ScopedValue.where(PRESENT, this).call(work::get);
  }
}
