package ai.realm.runtime;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Sequences that guests saved under names: each tenant's own, whatever its realms. What is saved counts
/// before it is copied; what a name had before counts until the new is in its place. Safe for many threads.
final class SavedSequences implements AutoCloseable {
  /// What one costs besides tokens and blocks: bounds their number.
  static final long OVERHEAD = 1024;

  private final long totalBytes;
  private final SequenceShelf shelf;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<SavedKv.Key, Long> costs = new HashMap<>();
  private final Map<String, Long> usedBy = new HashMap<>();
  private long used;

  SavedSequences(long totalBytes, SequenceShelf shelf) {
    this.totalBytes = totalBytes;
    this.shelf = shelf;
    shelf.each((key, bytes) -> {
      long cost = OVERHEAD + bytes;
      costs.put(key, cost);
      charge(key, cost);
    });
  }

  static SavedSequences open(SequenceStorage storage) {
    Path folder = storage.folder();
    return new SavedSequences(
        storage.totalBytes(), folder == null ? SequenceShelf.inMemory() : FolderShelf.open(folder));
  }

  private void charge(SavedKv.Key key, long bytes) {
    used += bytes;
    usedBy.merge(key.tenant(), bytes, (a, b) -> a + b == 0 ? null : a + b);
  }

  /// Saves what `copy` gives, in place of what has the name.
  ///
  /// @param limit what the tenant may save
  /// @param bytes of the copy
  /// @param room takes what is put on the heap for it only while it is written
  /// @throws LimitException `SAVED_KV_LIMIT`, `SAVED_KV_FULL` or `HOST_MEMORY_LIMIT`: nothing was copied
  /// @throws SavedSequenceException `SAVED_KV_IO`: what the name had is still there
  void save(
      TenantId tenant,
      byte[] name,
      long limit,
      long bytes,
      Supplier<SavedKv> copy,
      HostMemory.Loan room) {
    SavedKv.Key key = SavedKv.Key.of(tenant, name);
    long cost = OVERHEAD + bytes;
    if (shelf.copies()) {
      room.take(bytes);
    }
    reserve(tenant, key, limit, cost);
    boolean kept = false;
    try (SequenceShelf.Prepared prepared = shelf.prepare(key, copy.get())) {
      lock.lock();
      try {
        prepared.commit();
        kept = true;
        Long before = costs.put(key, cost);
        charge(key, before == null ? 0 : -before);
      } finally {
        lock.unlock();
      }
      // All tenants share the lock, and a disk takes its time.
      prepared.force();
    } finally {
      if (!kept) {
        release(key, cost);
      }
    }
  }

  private void reserve(TenantId tenant, SavedKv.Key key, long limit, long cost) {
    lock.lock();
    try {
      long own = usedBy.getOrDefault(key.tenant(), 0L);
      if (cost > limit - own) {
        throw new LimitException(
            "SAVED_KV_LIMIT",
            "%s: at most %d bytes of saved sequences, this one has %d besides %d"
                .formatted(tenant, limit, cost, own),
            0);
      }
      if (cost > totalBytes - used) {
        throw new LimitException(
            "SAVED_KV_FULL", "%s: the host keeps no more saved sequences".formatted(tenant), 0);
      }
      charge(key, cost);
    } finally {
      lock.unlock();
    }
  }

  private void release(SavedKv.Key key, long cost) {
    lock.lock();
    try {
      charge(key, -cost);
    } finally {
      lock.unlock();
    }
  }

  /// What the tenant saved under a name, or null.
  ///
  /// @param room takes what is put on the heap for it
  /// @throws SavedSequenceException when it is damaged, or was computed by something else
  /// @throws LimitException `HOST_MEMORY_LIMIT`
  @Nullable SavedKv find(
      TenantId tenant, byte[] name, SavedKv.Expected expected, HostMemory.Loan room) {
    return shelf.read(SavedKv.Key.of(tenant, name), expected, room);
  }

  /// Forgets a name; false where there is none.
  boolean remove(TenantId tenant, byte[] name) {
    return remove(SavedKv.Key.of(tenant, name));
  }

  private boolean remove(SavedKv.Key key) {
    lock.lock();
    try {
      Long cost = costs.get(key);
      if (cost == null) {
        return false;
      }
      shelf.delete(key);
      costs.remove(key);
      charge(key, -cost);
      return true;
    } finally {
      lock.unlock();
    }
  }

  /// Forgets all that a tenant saved.
  void forget(TenantId tenant) {
    String owner = SavedKv.Key.of(tenant, new byte[0]).tenant();
    List<SavedKv.Key> own = new ArrayList<>();
    lock.lock();
    try {
      costs.keySet().stream().filter(key -> key.tenant().equals(owner)).forEach(own::add);
    } finally {
      lock.unlock();
    }
    own.forEach(this::remove);
  }

  /// Bytes that all tenants have saved.
  long used() {
    lock.lock();
    try {
      return used;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    shelf.close();
  }
}
