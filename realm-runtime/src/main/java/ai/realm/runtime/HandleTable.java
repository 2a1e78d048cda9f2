package ai.realm.runtime;

import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What a realm has open, by random positive numbers that mean nothing in another realm. Used by the
/// realm's guest thread.
final class HandleTable {
  private final SecureRandom random = new SecureRandom();
  private final Map<Integer, AutoCloseable> open = new HashMap<>();
  private final int limit;

  HandleTable(int limit) {
    this.limit = limit;
  }

  /// A new handle, or 0 when the realm may open no more.
  int add(AutoCloseable object) {
    if (open.size() >= limit) {
      return 0;
    }
    int handle;
    do {
      handle = random.nextInt() & Integer.MAX_VALUE;
    } while (handle == 0 || open.containsKey(handle));
    open.put(handle, object);
    return handle;
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
    open.values().forEach(each);
    open.clear();
  }
}
