package ai.realm.runtime;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/// Lets `capacity` units through at once and refills at `capacity` per period: over any time, at most
/// `capacity` more than what the rate gives. Exact under concurrency; times are monotonic.
final class TokenBucket {
  private final long capacity;
  private final long periodNanos;
  private final LongSupplier nanoClock;
  private final ReentrantLock lock = new ReentrantLock();
  private double level;
  private long lastNanos;

  TokenBucket(long capacity, TimeUnit period, LongSupplier nanoClock) {
    this.capacity = capacity;
    this.periodNanos = period.toNanos(1);
    this.nanoClock = nanoClock;
    this.level = capacity;
    this.lastNanos = nanoClock.getAsLong();
  }

  /// Takes `units` and returns 0, or takes nothing and returns the nanoseconds until they would be there;
  /// `Long.MAX_VALUE` where they never fit.
  long take(long units) {
    if (capacity == Long.MAX_VALUE) {
      return 0;
    }
    if (units > capacity) {
      return Long.MAX_VALUE;
    }
    lock.lock();
    try {
      refill();
      if (level >= units) {
        level -= units;
        return 0;
      }
      return nanosFor(units - level);
    } finally {
      lock.unlock();
    }
  }

  /// Takes `units` that are used already, whether they are there or not: what is missing is a debt.
  void charge(long units) {
    if (capacity == Long.MAX_VALUE) {
      return;
    }
    lock.lock();
    try {
      refill();
      level -= units;
    } finally {
      lock.unlock();
    }
  }

  /// Nanoseconds until what [#charge] took too much is there again; 0 where it did not.
  long debtNanos() {
    if (capacity == Long.MAX_VALUE) {
      return 0;
    }
    lock.lock();
    try {
      refill();
      return level < 0 ? nanosFor(-level) : 0;
    } finally {
      lock.unlock();
    }
  }

  private void refill() {
    long now = nanoClock.getAsLong();
    level =
        Math.min((double) capacity, level + (double) (now - lastNanos) * capacity / periodNanos);
    lastNanos = now;
  }

  private long nanosFor(double units) {
    return (long) Math.ceil(units * periodNanos / capacity);
  }

  /// Gives units back that were taken and not used.
  void giveBack(long units) {
    lock.lock();
    try {
      level = Math.min((double) capacity, level + units);
    } finally {
      lock.unlock();
    }
  }

  /// Units that are there now.
  long left() {
    if (capacity == Long.MAX_VALUE) {
      return Long.MAX_VALUE;
    }
    lock.lock();
    try {
      double since = (double) (nanoClock.getAsLong() - lastNanos) * capacity / periodNanos;
      return (long) Math.min((double) capacity, level + since);
    } finally {
      lock.unlock();
    }
  }
}
