package ai.realm.runtime;

import ai.realm.engine.EngineTenant;
import ai.realm.engine.sampling.DryBreakers;
import ai.realm.tokenizer.Tokenizer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// DRY's sequence breakers in the vocabulary of one model, as they were used last: making them looks at every
/// token. The usual ones are everybody's; others are found again by the tenant only that asked for them, so that
/// no time tells what another asked for.
final class BreakerCache {
  /// Where a guest names none.
  static final List<String> USUAL = List.of("\n", ":", "\"", "*");

  private static final int MAX_ENTRIES = 32;

  /// Larger ones are made each time.
  private static final long MAX_BYTES = 1 << 20;

  private record Key(@Nullable EngineTenant tenant, List<String> strings) {}

  private final Tokenizer tokenizer;
  private final ReentrantLock lock = new ReentrantLock();

  /// Least recently used first.
  private final Map<Key, DryBreakers> known = new LinkedHashMap<>(16, 0.75f, true);

  BreakerCache(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /// @throws IllegalArgumentException for a breaker without text
  DryBreakers get(EngineTenant tenant, List<String> strings) {
    Key key = new Key(strings.equals(USUAL) ? null : tenant, List.copyOf(strings));
    DryBreakers present = find(key);
    if (present != null) {
      return present;
    }
    // Without the lock: nobody waits for what another asked for.
    DryBreakers made = DryBreakers.of(tokenizer, strings);
    if (made.bytes() <= MAX_BYTES) {
      keep(key, made);
    }
    return made;
  }

  private @Nullable DryBreakers find(Key key) {
    lock.lock();
    try {
      return known.get(key);
    } finally {
      lock.unlock();
    }
  }

  private void keep(Key key, DryBreakers made) {
    lock.lock();
    try {
      known.put(key, made);
      if (known.size() > MAX_ENTRIES) {
        known.remove(known.keySet().iterator().next());
      }
    } finally {
      lock.unlock();
    }
  }

  int size() {
    lock.lock();
    try {
      return known.size();
    } finally {
      lock.unlock();
    }
  }
}
