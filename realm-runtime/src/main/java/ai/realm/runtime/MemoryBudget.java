package ai.realm.runtime;

import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// Bytes that may be held together: linear memory of a realm's instances with the host's copies of it, logits
/// of an instance, a realm's part of the host's heap. Charged before anything is allocated.
final class MemoryBudget implements MemoryCharge {
  private final @Nullable MemoryBudget whole;
  private final AtomicLong used;
  private volatile long limit;

  MemoryBudget(long limit) {
    this.whole = null;
    this.used = new AtomicLong();
    this.limit = limit;
  }

  private MemoryBudget(MemoryBudget whole) {
    this.whole = whole;
    this.used = whole.used;
    this.limit = whole.limit();
  }

  /// This budget for what begins now: a limit that is lowered later does not hold for it.
  MemoryBudget begun() {
    return new MemoryBudget(this);
  }

  /// Goes on with another limit. What is in use stays, also where it is more.
  void update(long newLimit) {
    limit = newLimit;
  }

  @Override
  public boolean take(long bytes) {
    if (bytes == 0) {
      return true;
    }
    long most = limit();
    long before;
    do {
      before = used.get();
      if (bytes > most - before) {
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
            .formatted(limit(), bytes, used()));
  }

  long used() {
    return used.get();
  }

  long limit() {
    return whole == null ? limit : Math.max(limit, whole.limit());
  }
}
