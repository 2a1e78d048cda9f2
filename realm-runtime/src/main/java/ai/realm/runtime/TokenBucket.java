package ai.realm.runtime;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Lets `capacity` units through at once and refills at `capacity` per period: over any time, at most
/// `capacity` more than what the rate gives. Exact under concurrency; times are monotonic. `Long.MAX_VALUE` is
/// no bound: nothing is counted.
///
/// Where another bucket has gone on from this one ([#withCapacity]), who still takes here has the larger of the
/// two, and what is taken of this one is taken of the newer one too, as far as that has it.
final class TokenBucket {
  private final long capacity;
  private final long periodNanos;
  private final LongSupplier nanoClock;
  private final ReentrantLock lock = new ReentrantLock();
  private double level;
  private long lastNanos;

  /// Set once, under the lock.
  private volatile @Nullable TokenBucket next;

  TokenBucket(long capacity, TimeUnit period, LongSupplier nanoClock) {
    this(capacity, period.toNanos(1), nanoClock);
  }

  private TokenBucket(long capacity, long periodNanos, LongSupplier nanoClock) {
    this.capacity = capacity;
    this.periodNanos = periodNanos;
    this.nanoClock = nanoClock;
    this.level = capacity;
    this.lastNanos = nanoClock.getAsLong();
  }

  /// A bucket of another capacity that goes on from this one: what was used and has not come back is used of it.
  /// Where it holds less than that it is empty, which is no debt; a debt stays one as far as it exceeds the
  /// new capacity as well. What was not bounded was not counted, and gives a full one. Once for each bucket.
  TokenBucket withCapacity(long other) {
    TokenBucket made = new TokenBucket(other, periodNanos, nanoClock);
    lock.lock();
    try {
      if (capacity != Long.MAX_VALUE) {
        refill();
        made.level = Math.max(Math.min(0, level), other - (capacity - level));
      }
      next = made;
      return made;
    } finally {
      lock.unlock();
    }
  }

  private TokenBucket newest() {
    TokenBucket last = this;
    for (TokenBucket n = last.next; n != null; n = n.next) {
      last = n;
    }
    return last;
  }

  private TokenBucket larger(TokenBucket newest) {
    return capacity > newest.capacity ? this : newest;
  }

  /// Takes `units` and returns 0, or takes nothing and returns the nanoseconds until they would be there;
  /// `Long.MAX_VALUE` where they never fit.
  long take(long units) {
    while (true) {
      TokenBucket newest = newest();
      TokenBucket from = larger(newest);
      if (from.capacity != Long.MAX_VALUE) {
        if (units > from.capacity) {
          return Long.MAX_VALUE;
        }
        from.lock.lock();
        try {
          if (from == newest && from.next != null) {
            continue;
          }
          from.refill();
          if (from.level < units) {
            return from.nanosFor(units - from.level);
          }
          from.level -= units;
        } finally {
          from.lock.unlock();
        }
      }
      if (from != newest) {
        newest.drain(units);
      }
      return 0;
    }
  }

  /// Takes `units` that are used already, whether they are there or not: what is missing is a debt.
  void charge(long units) {
    TokenBucket newest = newest();
    TokenBucket from = larger(newest);
    TokenBucket drained = from == newest ? null : newest;
    if (from.capacity != Long.MAX_VALUE) {
      from.lock.lock();
      try {
        from.refill();
        from.level -= units;
        drained = from == newest ? from.next : newest;
      } finally {
        from.lock.unlock();
      }
    }
    if (drained != null) {
      drained.drain(units);
    }
  }

  /// Takes what is there of `units` that were used of an older bucket, here and of every newer one: however
  /// many have followed meanwhile, so not by calling itself.
  private void drain(long units) {
    for (TokenBucket from = this; from != null; from = from.drainOne(units)) {}
  }

  /// Returns the bucket that has gone on from this one without these units.
  private @Nullable TokenBucket drainOne(long units) {
    lock.lock();
    try {
      refill();
      level = Math.max(Math.min(0, level), level - units);
      return next;
    } finally {
      lock.unlock();
    }
  }

  /// Nanoseconds until what [#charge] took too much is there again; 0 where it did not.
  long debtNanos() {
    TokenBucket from = larger(newest());
    if (from.capacity == Long.MAX_VALUE) {
      return 0;
    }
    from.lock.lock();
    try {
      from.refill();
      return from.level < 0 ? from.nanosFor(-from.level) : 0;
    } finally {
      from.lock.unlock();
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

  /// Gives units back that were taken and not used: to the larger bucket alone, as the newer one may not have
  /// given as many.
  void giveBack(long units) {
    TokenBucket to = larger(newest());
    if (to.capacity == Long.MAX_VALUE) {
      return;
    }
    to.lock.lock();
    try {
      to.level = Math.min((double) to.capacity, to.level + units);
    } finally {
      to.lock.unlock();
    }
  }

  /// Units that are there now.
  long left() {
    TokenBucket from = larger(newest());
    if (from.capacity == Long.MAX_VALUE) {
      return Long.MAX_VALUE;
    }
    from.lock.lock();
    try {
      double since =
          (double) (nanoClock.getAsLong() - from.lastNanos) * from.capacity / from.periodNanos;
      return (long) Math.min((double) from.capacity, from.level + since);
    } finally {
      from.lock.unlock();
    }
  }
}
