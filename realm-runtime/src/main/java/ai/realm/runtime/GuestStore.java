package ai.realm.runtime;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Small values that a tenant's guests keep between calls, in memory, bounded together.
final class GuestStore {
  /// What an entry costs besides its bytes.
  private static final int OVERHEAD = 64;

  private volatile long limit;
  private final Map<String, byte[]> values = new HashMap<>();
  private final ReentrantLock lock = new ReentrantLock();
  private long used;

  GuestStore(long limit) {
    this.limit = limit;
  }

  /// Goes on with another limit. What is kept stays, also where it is more.
  void update(long newLimit) {
    limit = newLimit;
  }

  byte @Nullable [] get(String key) {
    lock.lock();
    try {
      return values.get(key);
    } finally {
      lock.unlock();
    }
  }

  /// Keeps a copy-free value; an empty one removes the key. Returns false when it does not fit.
  boolean put(String key, byte[] value) {
    lock.lock();
    try {
      byte[] before = values.get(key);
      long without = used - (before == null ? 0 : cost(key, before));
      if (value.length == 0) {
        values.remove(key);
        used = without;
        return true;
      }
      long with = without + cost(key, value);
      if (with > limit && with > used) {
        return false;
      }
      values.put(key, value);
      used = with;
      return true;
    } finally {
      lock.unlock();
    }
  }

  private static long cost(String key, byte[] value) {
    return OVERHEAD + 2L * key.length() + value.length;
  }
}
