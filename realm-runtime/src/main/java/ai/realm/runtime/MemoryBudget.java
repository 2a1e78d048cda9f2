package ai.realm.runtime;

import java.util.concurrent.atomic.AtomicLong;

/// Bytes of linear memory that the instances of one realm may hold together, and of what the host keeps for
/// them besides. Charged before anything is allocated.
final class MemoryBudget implements MemoryCharge {
  private final long limit;
  private final AtomicLong used = new AtomicLong();

  MemoryBudget(long limit) {
    this.limit = limit;
  }

  @Override
  public boolean take(long bytes) {
    long before;
    do {
      before = used.get();
      if (bytes > limit - before) {
        return false;
      }
    } while (!used.compareAndSet(before, before + bytes));
    return true;
  }

  @Override
  public void give(long bytes) {
    used.addAndGet(-bytes);
  }

  @Override
  public GuestTrapException refusal(long bytes) {
    return new GuestTrapException(
        "MEMORY_LIMIT",
        "guest memory: expected at most %d bytes in this realm, found %d besides %d in use"
            .formatted(limit, bytes, used()));
  }

  long used() {
    return used.get();
  }

  long limit() {
    return limit;
  }
}
