package ai.realm.runtime;

/// One function of the `realm_host` module.
///
/// @param name as guests import it
/// @param parameters number of its i32 parameters
/// @param stackBytes of the guest's stack that have to be left for it ([HostStack])
/// @param body what it does; negative results are [Errno]s
record HostFunction(String name, int parameters, int stackBytes, Body body) {
  /// What a host function does.
  @FunctionalInterface
  interface Body {
    /// @param memory the calling guest's memory
    /// @param arguments as many as the function has parameters
    int call(GuestMemory memory, int[] arguments);
  }
}
