package ai.realm.runtime;

import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What a realm has open, by random positive numbers that mean nothing in another realm. Used by the
/// realm's guest thread; whoever ends the guest may close it meanwhile.
final class HandleTable {
  private final SecureRandom random = new SecureRandom();
  private final Map<Integer, AutoCloseable> open = new ConcurrentHashMap<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final int limit;
  private boolean closed;

  HandleTable(int limit) {
    this.limit = limit;
  }

  /// A new handle, or 0 when the realm may open no more, as after [#close].
  int add(AutoCloseable object) {
    lock.lock();
    try {
      if (closed || open.size() >= limit) {
        return 0;
      }
      int handle;
      do {
        handle = random.nextInt() & Integer.MAX_VALUE;
      } while (handle == 0 || open.containsKey(handle));
      open.put(handle, object);
      return handle;
    } finally {
      lock.unlock();
    }
  }

  /// The object behind a handle of that type, or null.
  <T> @Nullable T find(int handle, Class<T> type) {
    AutoCloseable object = open.get(handle);
    return type.isInstance(object) ? type.cast(object) : null;
  }

  void remove(int handle) {
    open.remove(handle);
  }

  int size() {
    return open.size();
  }

  /// Hands every open object over and forgets it.
  void drain(Consumer<AutoCloseable> each) {
    List<AutoCloseable> all;
    lock.lock();
    try {
      all = List.copyOf(open.values());
      open.clear();
    } finally {
      lock.unlock();
    }
    all.forEach(each);
  }

  /// The same, and nothing can be opened any more.
  void close(Consumer<AutoCloseable> each) {
    lock.lock();
    try {
      closed = true;
    } finally {
      lock.unlock();
    }
    drain(each);
  }
}
