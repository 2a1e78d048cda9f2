package ai.realm.runtime;

import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Keeps a tenant's failing guest from being tried again and again: after so many failures in a row it
/// opens for a while, then lets one call through as a probe, and closes when that succeeds. What a call
/// says counts only while the breaker is as it was when the call began: a late end of one from before it
/// opened neither closes it nor lets another probe through.
final class CircuitBreaker {
  private enum State {
    CLOSED,
    OPEN,
    PROBING
  }

  private final LongSupplier nanoClock;
  private final ReentrantLock lock = new ReentrantLock();
  private int failuresToOpen;
  private long openNanos;
  private State state = State.CLOSED;
  private long changes;
  private int failures;
  private long openedNanos;

  CircuitBreaker(int failuresToOpen, Duration open, LongSupplier nanoClock) {
    this.failuresToOpen = failuresToOpen;
    this.openNanos = open.toNanos();
    this.nanoClock = nanoClock;
  }

  /// Goes on with other bounds: what has failed so far counts, and one that is open lets a call through when
  /// the new time since it opened is over.
  void update(int failures, Duration open) {
    lock.lock();
    try {
      failuresToOpen = failures;
      openNanos = open.toNanos();
    } finally {
      lock.unlock();
    }
  }

  /// A call that was let through, which must [#end].
  final class Pass {
    private final long change;

    private Pass(long change) {
      this.change = change;
    }

    /// Says what the call's end says about the guest.
    void end(GuestVerdict verdict) {
      lock.lock();
      try {
        if (change == changes) {
          count(verdict);
        }
      } finally {
        lock.unlock();
      }
    }
  }

  /// Lets a call through, or returns null when none may be made now.
  @Nullable Pass tryPass() {
    lock.lock();
    try {
      return switch (state) {
        case CLOSED -> new Pass(changes);
        case PROBING -> null;
        case OPEN -> {
          if (nanoClock.getAsLong() - openedNanos < openNanos) {
            yield null;
          }
          become(State.PROBING);
          yield new Pass(changes);
        }
      };
    } finally {
      lock.unlock();
    }
  }

  private void count(GuestVerdict verdict) {
    switch (verdict) {
      case WORKS -> {
        failures = 0;
        if (state == State.PROBING) {
          become(State.CLOSED);
        }
      }
      case FAILED -> {
        failures++;
        if (state == State.PROBING || failures >= failuresToOpen) {
          become(State.OPEN);
          openedNanos = nanoClock.getAsLong();
        }
      }
      case NEITHER -> {
        if (state == State.PROBING) {
          // The next call may probe at once.
          become(State.OPEN);
        }
      }
    }
  }

  private void become(State next) {
    state = next;
    changes++;
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
