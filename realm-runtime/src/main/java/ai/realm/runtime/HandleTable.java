package ai.realm.runtime;

import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What a realm has open, by random positive numbers that mean nothing in another realm. What lies behind
/// them is charged to the realm's host memory until it is removed. Used by the realm's guest thread.
final class HandleTable {
  /// The handle itself with a small object.
  static final int HANDLE_BYTES = 256;

  /// An open object, and what was charged for it.
  private static final class Entry {
    final AutoCloseable object;
    long bytes;

    Entry(AutoCloseable object) {
      this.object = object;
      this.bytes = measure();
    }

    long measure() {
      return HANDLE_BYTES + (object instanceof HeldObject held ? held.heldBytes() : 0);
    }
  }

  private final SecureRandom random = new SecureRandom();
  private final Map<Integer, Entry> open = new HashMap<>();
  private final int limit;
  private final HostMemory memory;

  HandleTable(int limit, HostMemory memory) {
    this.limit = limit;
    this.memory = memory;
  }

  /// A new handle, or 0 when the realm may open no more.
  int add(AutoCloseable object) {
    if (isFull()) {
      return 0;
    }
    Entry entry = new Entry(object);
    if (!memory.take(entry.bytes)) {
      return 0;
    }
    int handle;
    do {
      handle = random.nextInt() & Integer.MAX_VALUE;
    } while (handle == 0 || open.containsKey(handle));
    open.put(handle, entry);
    return handle;
  }

  /// Whether there are as many handles as there may be.
  boolean isFull() {
    return open.size() >= limit;
  }

  /// Charges what the object behind a handle has grown, after it gave up what it can where that was too
  /// much. Returns whether it could be charged.
  boolean settle(int handle) {
    Entry entry = open.get(handle);
    if (entry == null || change(entry)) {
      return true;
    }
    if (entry.object instanceof HeldObject held) {
      held.shrink();
    }
    return change(entry);
  }

  private boolean change(Entry entry) {
    long now = entry.measure();
    if (now == entry.bytes) {
      return true;
    }
    boolean charged = memory.change(entry.bytes, now);
    entry.bytes = charged ? now : entry.bytes;
    return charged;
  }

  /// The object behind a handle of that type, or null.
  <T> @Nullable T find(int handle, Class<T> type) {
    Entry entry = open.get(handle);
    return entry != null && type.isInstance(entry.object) ? type.cast(entry.object) : null;
  }

  void remove(int handle) {
    Entry entry = open.remove(handle);
    if (entry != null) {
      memory.give(entry.bytes);
    }
  }

  int size() {
    return open.size();
  }

  /// Hands every open object over and forgets it.
  void drain(Consumer<AutoCloseable> each) {
    for (Entry entry : open.values()) {
      each.accept(entry.object);
      memory.give(entry.bytes);
    }
    open.clear();
  }
}
