package ai.realm.engine.grammar;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Compiled grammars by source, the least recently used dropped first: a tenant that sends a new schema
/// with every request costs time, not memory. Thread-safe.
public final class GrammarCache {
  private record Key(Grammar.Kind kind, String source) {}

  /// Bytes of all grammars together, unless the caller says otherwise.
  private static final long DEFAULT_BYTES = 16L << 20;

  /// How long a compilation waits for others: some take all of their time.
  private static final int PATIENCE_SECONDS = 10;

  private final int capacity;
  private volatile long maxBytes;
  private final ReentrantLock lock = new ReentrantLock();
  private final ReentrantLock compiling = new ReentrantLock();
  private final LinkedHashMap<Key, Grammar> entries = new LinkedHashMap<>(16, 0.75f, true);

  /// @param capacity the most grammars that are kept
  public GrammarCache(int capacity) {
    this(capacity, DEFAULT_BYTES);
  }

  /// @param capacity the most grammars that are kept
  /// @param maxBytes the most bytes that they take together, with their texts and masks
  public GrammarCache(int capacity, long maxBytes) {
    if (capacity < 1) {
      throw new IllegalArgumentException("expected a capacity of at least 1, found " + capacity);
    }
    this.capacity = capacity;
    this.maxBytes = maxBytes;
  }

  /// The compiled grammar of a source. One is compiled at a time: what compiling takes is bounded for each
  /// grammar, and so for all together.
  ///
  /// @throws GrammarException when it cannot be compiled; nothing is kept
  public Grammar get(Grammar.Kind kind, String source) {
    Key key = new Key(kind, kind == Grammar.Kind.JSON ? "" : source);
    Grammar known = find(key);
    if (known != null) {
      return known;
    }
    awaitTurn();
    try {
      Grammar meanwhile = find(key);
      if (meanwhile != null) {
        return meanwhile;
      }
      Grammar compiled = Grammar.compile(kind, key.source());
      keep(key, compiled);
      return compiled;
    } finally {
      compiling.unlock();
    }
  }

  /// Keeps at most so many bytes from now on.
  public void limit(long bytes) {
    maxBytes = bytes;
    shrink();
  }

  private void awaitTurn() {
    try {
      if (compiling.tryLock(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw GrammarException.limit("grammar: interrupted before it was compiled");
    }
    throw GrammarException.limit(
        "grammar: expected its turn to compile within %d s".formatted(PATIENCE_SECONDS));
  }

  private @Nullable Grammar find(Key key) {
    lock.lock();
    try {
      return entries.get(key);
    } finally {
      lock.unlock();
    }
  }

  private void keep(Key key, Grammar compiled) {
    lock.lock();
    try {
      entries.put(key, compiled);
      evict();
    } finally {
      lock.unlock();
    }
  }

  /// Drops grammars until the bound on bytes is kept again, which masks that were made since may have
  /// passed.
  public void shrink() {
    lock.lock();
    try {
      evict();
    } finally {
      lock.unlock();
    }
  }

  private void evict() {
    long bytes = bytes();
    while (!entries.isEmpty() && (entries.size() > capacity || bytes > maxBytes)) {
      Map.Entry<Key, Grammar> eldest = entries.pollFirstEntry();
      bytes -= size(eldest);
    }
  }

  private long bytes() {
    long bytes = 0;
    for (Map.Entry<Key, Grammar> entry : entries.entrySet()) {
      bytes += size(entry);
    }
    return bytes;
  }

  private static long size(Map.Entry<Key, Grammar> entry) {
    return entry.getValue().byteSize() + 2L * entry.getKey().source().length();
  }

  /// Bytes that the grammars kept take.
  public long byteSize() {
    lock.lock();
    try {
      return bytes();
    } finally {
      lock.unlock();
    }
  }

  /// Number of grammars kept.
  public int size() {
    lock.lock();
    try {
      return entries.size();
    } finally {
      lock.unlock();
    }
  }
}
