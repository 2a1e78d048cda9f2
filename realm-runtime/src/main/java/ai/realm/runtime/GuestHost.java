package ai.realm.runtime;

import org.jspecify.annotations.Nullable;
import run.endive.wasm.types.MemoryLimits;

/// What surrounds an instance where it runs: the host's functions, and where its memory comes from.
interface GuestHost {
  /// The function of a name, or null.
  @Nullable HostFunction find(String name);

  /// Runs a function for the guest.
  int call(HostFunction function, GuestMemory memory, int[] arguments);

  /// A fresh linear memory, charged to the realm.
  ///
  /// @throws GuestTrapException `MEMORY_LIMIT`
  LinearMemory newMemory(MemoryLimits limits);

  /// The same for a guest that comes with Realm: what it reserves is charged as it is used.
  LinearMemory newTrustedMemory(MemoryLimits limits);

  /// What an instance may hold.
  long maxMemoryBytes();
}
