package ai.realm.runtime;

import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What a realm has open, by random positive numbers that mean nothing in another realm. What lies behind
/// them is charged to the realm's host memory until it is removed. Used by the realm's guest thread; whoever
/// ends the guest may close it meanwhile.
final class HandleTable {
  /// The handle itself with a small object.
  static final int HANDLE_BYTES = 256;

  /// An open object, and what was charged for it.
  private static final class Entry {
    final AutoCloseable object;
    long bytes;
    boolean gone;

    Entry(AutoCloseable object) {
      this.object = object;
      this.bytes = measure();
    }

    long measure() {
      return HANDLE_BYTES + (object instanceof HeldObject held ? held.heldBytes() : 0);
    }
  }

  private final SecureRandom random = new SecureRandom();
  private final Map<Integer, Entry> open = new ConcurrentHashMap<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final int limit;
  private final HostMemory memory;
  private boolean closed;

  HandleTable(int limit, HostMemory memory) {
    this.limit = limit;
    this.memory = memory;
  }

  /// A new handle, or 0 when the realm may open no more, as after [#close].
  int add(AutoCloseable object) {
    lock.lock();
    try {
      if (closed || isFull()) {
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
    } finally {
      lock.unlock();
    }
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
    lock.lock();
    try {
      if (now == entry.bytes || entry.gone) {
        return true;
      }
      boolean charged = memory.change(entry.bytes, now);
      entry.bytes = charged ? now : entry.bytes;
      return charged;
    } finally {
      lock.unlock();
    }
  }

  /// The object behind a handle of that type, or null.
  <T> @Nullable T find(int handle, Class<T> type) {
    Entry entry = open.get(handle);
    return entry != null && type.isInstance(entry.object) ? type.cast(entry.object) : null;
  }

  /// Forgets a handle. Returns whether it was there, and so whether its object is the caller's to close: whoever
  /// ends the guest may have closed it since it was found.
  boolean remove(int handle) {
    Entry entry;
    lock.lock();
    try {
      entry = open.remove(handle);
    } finally {
      lock.unlock();
    }
    if (entry != null) {
      giveBack(entry);
    }
    return entry != null;
  }

  /// A guest that does not stop may still change what it has open while that is closed under it.
  private void giveBack(Entry entry) {
    lock.lock();
    try {
      if (!entry.gone) {
        entry.gone = true;
        memory.give(entry.bytes);
      }
    } finally {
      lock.unlock();
    }
  }

  int size() {
    return open.size();
  }

  /// Hands every open object over and forgets it.
  void drain(Consumer<AutoCloseable> each) {
    List<Entry> all;
    lock.lock();
    try {
      all = List.copyOf(open.values());
      open.clear();
    } finally {
      lock.unlock();
    }
    for (Entry entry : all) {
      each.accept(entry.object);
      giveBack(entry);
    }
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
