package ai.realm.runtime;

import java.util.concurrent.atomic.AtomicLong;

/// Bytes of linear memory that the instances of one realm may hold together. Charged before anything is
/// allocated.
final class MemoryBudget {
  private final long limit;
  private final AtomicLong used = new AtomicLong();

  MemoryBudget(long limit) {
    this.limit = limit;
  }

  /// Takes `bytes`, or nothing when that would exceed the limit.
  boolean take(long bytes) {
    long before;
    do {
      before = used.get();
      if (bytes > limit - before) {
        return false;
      }
    } while (!used.compareAndSet(before, before + bytes));
    return true;
  }

  void give(long bytes) {
    used.addAndGet(-bytes);
  }

  long used() {
    return used.get();
  }

  long limit() {
    return limit;
  }
}
