package ai.realm.engine.grammar;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/// Compiled grammars by source, the least recently used dropped first: a tenant that sends a new schema
/// with every request costs time, not memory. Thread-safe.
public final class GrammarCache {
  private record Key(Grammar.Kind kind, String source) {}

  /// Bytes of all grammars together, unless the caller says otherwise.
  private static final long DEFAULT_BYTES = 64L << 20;

  private final int capacity;
  private final long maxBytes;
  private final ReentrantLock lock = new ReentrantLock();
  private final LinkedHashMap<Key, Grammar> entries = new LinkedHashMap<>(16, 0.75f, true);

  /// @param capacity the most grammars that are kept
  public GrammarCache(int capacity) {
    this(capacity, DEFAULT_BYTES);
  }

  /// @param capacity the most grammars that are kept
  /// @param maxBytes the most bytes that they take together; one is kept whatever it takes
  public GrammarCache(int capacity, long maxBytes) {
    if (capacity < 1) {
      throw new IllegalArgumentException("expected a capacity of at least 1, found " + capacity);
    }
    this.capacity = capacity;
    this.maxBytes = maxBytes;
  }

  /// The compiled grammar of a source.
  ///
  /// @throws GrammarException when it cannot be compiled; nothing is kept
  public Grammar get(Grammar.Kind kind, String source) {
    Key key = new Key(kind, source);
    lock.lock();
    try {
      Grammar known = entries.get(key);
      if (known != null) {
        return known;
      }
    } finally {
      lock.unlock();
    }
    Grammar compiled = Grammar.compile(kind, source);
    lock.lock();
    try {
      entries.put(key, compiled);
      long bytes = 0;
      for (Grammar grammar : entries.values()) {
        bytes += grammar.byteSize();
      }
      while (entries.size() > capacity || bytes > maxBytes && entries.size() > 1) {
        Map.Entry<Key, Grammar> eldest = entries.firstEntry();
        bytes -= eldest.getValue().byteSize();
        entries.remove(eldest.getKey());
      }
      return compiled;
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
