package ai.realm.runtime;

/// Sees every call of a host function, and makes it, or answers in its place.
interface HostTrace {
  /// @return what the guest gets
  int call(HostFunction function, GuestMemory memory, int[] arguments);
}
