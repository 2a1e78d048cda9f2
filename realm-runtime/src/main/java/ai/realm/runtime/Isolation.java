package ai.realm.runtime;

/// Where a tenant's own guest runs. Whoever calls it sees no difference but the cost.
public sealed interface Isolation {
  /// In the host's JVM: the lowest latency, for guests that are trusted. A guest shares the host's heap.
  record InProcess() implements Isolation {}

  /// In a worker: a JVM of its own with a hard heap, which is ended and started anew when a guest cannot be
  /// stopped, exhausts it, or breaks the protocol.
  ///
  /// @param group realms that name the same group share a worker and its fate; empty for a worker of the
  ///     tenant's own
  /// @param heapBytes heap of the worker; linear memory is not part of it
  record Worker(String group, long heapBytes) implements Isolation {
    public Worker {
      if (heapBytes < 16L << 20 || heapBytes > 8L << 30) {
        throw new IllegalArgumentException(
            "worker heap: expected 16 MiB to 8 GiB, found " + heapBytes);
      }
    }
  }

  /// In the host's JVM.
  static Isolation inProcess() {
    return new InProcess();
  }

  /// In a worker of the tenant's own, with 64 MiB of heap.
  static Isolation worker() {
    return new Worker("", 64L << 20);
  }

  /// In a worker that realms of this group share.
  static Isolation sharedWorker(String group) {
    return new Worker(group, 64L << 20);
  }
}
