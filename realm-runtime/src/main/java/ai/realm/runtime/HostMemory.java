package ai.realm.runtime;

/// Bytes of the host's heap that the guests of one realm make it hold: behind their handles and
/// while a saved sequence is read (`EDQUOT`), and for the texts that their calls emit. Its own budget beside linear memory, since it is the host's heap
/// also where the guests run in a worker. Safe for many threads.
final class HostMemory {
  private final TenantId tenant;
  private final MemoryBudget budget;

  HostMemory(TenantId tenant, long limit) {
    this(tenant, new MemoryBudget(limit));
  }

  private HostMemory(TenantId tenant, MemoryBudget budget) {
    this.tenant = tenant;
    this.budget = budget;
  }

  /// See [MemoryBudget#begun].
  HostMemory begun() {
    return new HostMemory(tenant, budget.begun());
  }

  /// Goes on with another limit. What is in use stays.
  void update(long limit) {
    budget.update(limit);
  }

  /// Takes `bytes`, or nothing when there are not as many.
  boolean take(long bytes) {
    return budget.take(bytes);
  }

  void give(long bytes) {
    budget.give(bytes);
  }

  /// Bytes that are taken for a piece of work and given back behind it. Used by one thread.
  final class Loan implements AutoCloseable {
    private long bytes;

    /// @throws LimitException `HOST_MEMORY_LIMIT`: nothing was taken
    void take(long more) {
      if (!HostMemory.this.take(more)) {
        throw refusal();
      }
      bytes += more;
    }

    @Override
    public void close() {
      give(bytes);
      bytes = 0;
    }
  }

  /// Takes what something has become larger since it was charged, or gives back what it has become smaller.
  boolean change(long before, long now) {
    if (now > before) {
      return take(now - before);
    }
    give(before - now);
    return true;
  }

  /// Why something was not there.
  LimitException refusal() {
    return new LimitException(
        "HOST_MEMORY_LIMIT",
        "%s: at most %d bytes of the host's memory for what its guests have open, %d in use"
            .formatted(tenant, limit(), used()),
        0);
  }

  long used() {
    return budget.used();
  }

  long limit() {
    return budget.limit();
  }
}
