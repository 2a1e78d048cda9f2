package ai.realm.runtime;

/// Sees every call of a host function, and makes it, or answers in its place.
interface HostTrace {
  /// @param call the export's call that it is made in
  /// @return what the guest gets
  int call(HostFunction function, GuestMemory memory, int[] arguments, Call call);
}
