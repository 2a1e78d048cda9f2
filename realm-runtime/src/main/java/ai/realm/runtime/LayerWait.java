package ai.realm.runtime;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/// How long somebody waits for a layer.
///
/// @param untilNanos of [System#nanoTime]; [Long#MAX_VALUE] for an embedding program's own thread, whose
///     interrupts are not ours
/// @param over whether nobody waits for the result any more
record LayerWait(long untilNanos, BooleanSupplier over) {
  static final LayerWait FOR_EVER = new LayerWait(Long.MAX_VALUE, () -> false);

  /// As long as the call may last.
  static LayerWait of(Call call) {
    return new LayerWait(
        call.deadlineNanos(), () -> call.isCancelled() || Thread.currentThread().isInterrupted());
  }

  /// Whether the lock was taken; an interrupt that ended the wait is still there.
  boolean lock(ReentrantLock lock) {
    if (untilNanos == Long.MAX_VALUE) {
      lock.lock();
      return true;
    }
    try {
      return lock.tryLock() || lock.tryLock(untilNanos - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
