package ai.realm.runtime;

import ai.realm.engine.grammar.Grammar;
import ai.realm.engine.grammar.GrammarCache;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The grammars that the guests of one realm have open, with those kept for the next time. One that is
/// open, in grammars or matchers, is charged to the realm's host memory once, however many handles have
/// it, with the masks that it made. Safe for many threads.
final class OpenGrammars {
  private static final int MAX_KEPT = 64;

  /// Of host memory, what grammars that nobody has open may take besides.
  private static final int KEPT_PART = 4;

  /// An open grammar; each user closes it once.
  static final class Lease {
    private final Grammar grammar;
    private int users;
    private volatile long charged;

    private Lease(Grammar grammar) {
      this.grammar = grammar;
    }

    Grammar grammar() {
      return grammar;
    }
  }

  private final GrammarCache cache;
  private final HostMemory memory;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<Grammar, Lease> leases = new IdentityHashMap<>();

  OpenGrammars(HostMemory memory) {
    this.memory = memory;
    this.cache = new GrammarCache(MAX_KEPT, memory.limit() / KEPT_PART);
  }

  /// Keeps no more than goes with host memory's limit as it is now.
  void update() {
    cache.limit(memory.limit() / KEPT_PART);
  }

  /// Compiles a source, or finds it compiled. Null where host memory is used up.
  ///
  /// @param from host memory as who asks has it
  ///
  /// @throws ai.realm.engine.grammar.GrammarException when it cannot be compiled
  @Nullable Lease compile(Grammar.Kind kind, String source, HostMemory from) {
    return open(cache.get(kind, source), from);
  }

  /// One more user of a grammar. Null where host memory is used up.
  @Nullable Lease open(Grammar grammar, HostMemory from) {
    lock.lock();
    try {
      Lease lease = leases.get(grammar);
      if (lease == null) {
        lease = new Lease(grammar);
        if (!charge(lease, from)) {
          return null;
        }
        leases.put(grammar, lease);
      }
      lease.users++;
      return lease;
    } finally {
      lock.unlock();
    }
  }

  /// Charges the masks that were made since; forgets them where host memory is used up. Returns whether
  /// all could be charged, or nobody uses it any more: its guest was ended meanwhile.
  boolean settle(Lease lease, HostMemory from) {
    if (lease.grammar.byteSize() == lease.charged) {
      return true;
    }
    boolean charged;
    lock.lock();
    try {
      charged = lease.users == 0 || charge(lease, from);
    } finally {
      lock.unlock();
    }
    cache.shrink();
    return charged;
  }

  private static boolean charge(Lease lease, HostMemory from) {
    long now = lease.grammar.byteSize();
    if (!from.change(lease.charged, now)) {
      lease.grammar.forgetMasks();
      now = lease.grammar.byteSize();
      if (!from.change(lease.charged, now)) {
        return false;
      }
    }
    lease.charged = now;
    return true;
  }

  /// Ends one user's use.
  void close(Lease lease) {
    lock.lock();
    try {
      lease.users--;
      if (lease.users == 0) {
        leases.remove(lease.grammar);
        memory.give(lease.charged);
      }
    } finally {
      lock.unlock();
    }
  }

  /// Bytes of the grammars that are kept, open or not.
  long keptBytes() {
    return cache.byteSize();
  }
}
