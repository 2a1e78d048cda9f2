package ai.realm.runtime;

import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/// Keeps a tenant's failing guest from being tried again and again: after so many failures in a row it
/// opens for a while, then lets one call through as a probe, and closes when that succeeds.
final class CircuitBreaker {
  private enum State {
    CLOSED,
    OPEN,
    PROBING
  }

  private final int failuresToOpen;
  private final long openNanos;
  private final LongSupplier nanoClock;
  private final ReentrantLock lock = new ReentrantLock();
  private State state = State.CLOSED;
  private int failures;
  private long openedNanos;

  CircuitBreaker(int failuresToOpen, Duration open, LongSupplier nanoClock) {
    this.failuresToOpen = failuresToOpen;
    this.openNanos = open.toNanos();
    this.nanoClock = nanoClock;
  }

  /// Whether a call may be made now; each that may must end in [#succeeded], [#failed] or [#ended].
  boolean tryPass() {
    lock.lock();
    try {
      return switch (state) {
        case CLOSED -> true;
        case PROBING -> false;
        case OPEN -> {
          boolean due = nanoClock.getAsLong() - openedNanos >= openNanos;
          state = due ? State.PROBING : State.OPEN;
          yield due;
        }
      };
    } finally {
      lock.unlock();
    }
  }

  void succeeded() {
    lock.lock();
    try {
      failures = 0;
      state = State.CLOSED;
    } finally {
      lock.unlock();
    }
  }

  void failed() {
    lock.lock();
    try {
      failures++;
      if (state == State.PROBING || failures >= failuresToOpen) {
        state = State.OPEN;
        openedNanos = nanoClock.getAsLong();
      }
    } finally {
      lock.unlock();
    }
  }

  /// The call ended for a reason that says nothing about the guest.
  void ended() {
    lock.lock();
    try {
      if (state == State.PROBING) {
        state = State.OPEN;
      }
    } finally {
      lock.unlock();
    }
  }

  boolean isOpen() {
    lock.lock();
    try {
      return state != State.CLOSED;
    } finally {
      lock.unlock();
    }
  }

  /// How long it stays open; 0 when it is not.
  long retryAfterNanos() {
    lock.lock();
    try {
      return state == State.CLOSED
          ? 0
          : Math.max(0, openNanos - (nanoClock.getAsLong() - openedNanos));
    } finally {
      lock.unlock();
    }
  }
}
