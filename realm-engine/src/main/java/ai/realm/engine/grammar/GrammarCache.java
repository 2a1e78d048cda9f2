package ai.realm.engine.grammar;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/// Compiled grammars by source, the least recently used dropped first: a tenant that sends a new schema
/// with every request costs time, not memory. Thread-safe.
public final class GrammarCache {
  private record Key(Grammar.Kind kind, String source) {}

  private final int capacity;
  private final ReentrantLock lock = new ReentrantLock();
  private final LinkedHashMap<Key, Grammar> entries = new LinkedHashMap<>(16, 0.75f, true);

  /// @param capacity the most grammars that are kept
  public GrammarCache(int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("expected a capacity of at least 1, found " + capacity);
    }
    this.capacity = capacity;
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
      if (entries.size() > capacity) {
        Map.Entry<Key, Grammar> eldest = entries.firstEntry();
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
