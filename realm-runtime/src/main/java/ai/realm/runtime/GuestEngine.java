package ai.realm.runtime;

/// What runs WebAssembly: the seam between Realm and an engine for it.
interface GuestEngine {
  /// Reads a module; it can be instantiated many times.
  ///
  /// @throws GuestFormatException when it cannot be a guest
  Module load(byte[] wasm, GuestLimits limits);

  /// A module that was read.
  interface Module {
    /// A fresh instance over these host functions, its memory charged to the realm.
    ///
    /// @throws GuestFormatException when it imports what the host does not have
    /// @throws GuestTrapException when its start function traps
    Instance instantiate(HostFunctions host, Realm realm);
  }

  /// A running module, used by one thread.
  interface Instance extends AutoCloseable {
    /// Number of parameters of an exported function, or -1 when there is none of that name.
    int parameters(String function);

    /// Calls an exported function with i32 arguments.
    ///
    /// @throws GuestTrapException when it traps or is interrupted
    long call(String function, long... arguments);

    /// Gives its memory back.
    @Override
    void close();
  }
}
