package ai.realm.engine;

import ai.realm.compute.KvStore;
import java.util.List;
import java.util.function.LongSupplier;

/// The KV blocks that a step's rows are written to: found again from earlier or published prompts, free
/// ones, else taken from prefix caches and from sequences that can wait. Guarded by the engine's lock.
final class BlockSupply {
  private final EngineConfig config;
  private final BlockPool pool;
  private final KvStore kv;
  private final List<EngineTenant> tenants;
  private final List<Sequence> sequences;
  private final List<PublishedPrefix> published;
  private final BlockDemand demand;

  /// Whether finished prompts serve the next: not those of an encoder.
  private final boolean generates;

  private final LongSupplier nanoClock;

  /// Sequences whose blocks were taken, so far.
  long preemptions;

  /// Blocks of prompts that were found again, so far.
  long prefixBlocks;

  BlockSupply(
      EngineConfig config,
      BlockPool pool,
      KvStore kv,
      List<EngineTenant> tenants,
      List<Sequence> sequences,
      List<PublishedPrefix> published,
      BlockDemand demand,
      boolean generates,
      LongSupplier nanoClock) {
    this.config = config;
    this.pool = pool;
    this.kv = kv;
    this.tenants = tenants;
    this.sequences = sequences;
    this.published = published;
    this.demand = demand;
    this.generates = generates;
    this.nanoClock = nanoClock;
  }

  /// Makes the next positions of a sequence writable, at most `room` of those before `end`, and returns how many;
  /// 0 where there are no blocks for it in this step.
  ///
  /// @param limit tokens from here on are computed in any case
  int provide(Sequence s, int limit, int end, int room) {
    int reused = s.cached == 0 && s.blockCount == 0 ? reusePrefix(s, limit) : 0;
    int take = Math.min(end - s.cached, room);
    if (reserve(s, s.cached + take)) {
      prefixBlocks += reused;
      return take;
    }
    if (!demand.canBeMet(s) || demand.hasCopiesOfPublished(s, limit)) {
      // It must wait for sequences that go first, or finds blocks that are published: till then it
      // keeps none.
      yieldBlocks(s);
    } else {
      prefixBlocks += reused;
    }
    return 0;
  }

  /// Starts an empty cache from blocks of the tenant's earlier prompts, and behind those from blocks that are
  /// published. Tokens from `limit` on, which
  /// logits are wanted of, and the last one are always computed. Returns the number of blocks.
  private int reusePrefix(Sequence s, int limit) {
    int[] found = new int[Math.max(1, limit / config.blockSize())];
    int n = s.tenant.prefixes.find(s.adapter, s.tokens, limit, found);
    for (PublishedPrefix prefix : published) {
      int matching = prefix.match(s.adapter, s.tokens, limit);
      for (int i = 0; i < matching; i++) {
        if (i < n) {
          // Copies of one's own, from before it was published, are not needed any more.
          pool.release(found[i]);
        }
        pool.retain(prefix.blocks[i]);
        found[i] = prefix.blocks[i];
      }
      n = Math.max(n, matching);
    }
    for (int i = 0; i < n; i++) {
      s.addBlock(found[i]);
    }
    s.cached = n * config.blockSize();
    return n;
  }

  /// Gives the blocks of a request that waits to its tenant's prefix cache: whoever needs them takes them, and what
  /// nobody took is found again.
  private void yieldBlocks(Sequence s) {
    if (generates) {
      s.tenant.prefixes.insert(s.adapter, s.tokens, s.blocks, s.cached / config.blockSize());
    }
    releaseFrom(s, 0);
    s.cached = 0;
  }

  /// Makes positions `cached` to `end - 1` of a sequence writable.
  private boolean reserve(Sequence s, int end) {
    int needed = config.blocksFor(end);
    int last = s.cached / config.blockSize();
    boolean copies = last < s.blockCount && pool.isShared(s.blocks[last]);
    int spare = pool.freeBlocks() - (copies ? 1 : 0);
    if ((copies || needed > s.blockCount)
        && s.promised() - s.blockCount > spare
        && !demand.canBeMet(s)) {
      return false;
    }
    if (copies) {
      int copy = obtain(s);
      if (copy < 0) {
        return false;
      }
      kv.copyBlock(s.blocks[last], copy);
      pool.release(s.blocks[last]);
      s.blocks[last] = copy;
    }
    return obtain(s, needed);
  }

  /// Gives `s` blocks until it has `needed`; false when there are no more.
  boolean obtain(Sequence s, int needed) {
    while (s.blockCount < needed) {
      int block = obtain(s);
      if (block < 0) {
        return false;
      }
      s.addBlock(block);
    }
    return true;
  }

  /// A block for `s`: a free one, else one from a prefix cache (its own tenant's first), else one of a
  /// sequence that can wait.
  private int obtain(Sequence s) {
    while (true) {
      int block = pool.allocate(s.tenant.number);
      if (block >= 0) {
        return block;
      }
      if (!evictPrefix(s.tenant) && !preemptFor(s) && !forgetPrefixes(s.tenant)) {
        return -1;
      }
    }
  }

  private boolean evictPrefix(EngineTenant own) {
    if (own.prefixes.evictOne()) {
      return true;
    }
    EngineTenant largest = null;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      if (tenant.prefixes.size() > 0
          && (largest == null || tenant.prefixes.size() > largest.prefixes.size())) {
        largest = tenant;
      }
    }
    if (largest == null || largest.prefixes.evictOne()) {
      return largest != null;
    }
    for (int t = 0; t < tenants.size(); t++) {
      if (tenants.get(t).prefixes.evictOne()) {
        return true;
      }
    }
    return false;
  }

  /// Empties a prefix cache all of whose ends sequences have: there may be blocks before them that no sequence has, and
  /// a block that a cache and a sequence have need not be copied then.
  private boolean forgetPrefixes(EngineTenant own) {
    EngineTenant some = own.prefixes.size() > 0 ? own : null;
    for (int t = 0; some == null && t < tenants.size(); t++) {
      some = tenants.get(t).prefixes.size() > 0 ? tenants.get(t) : null;
    }
    if (some == null) {
      return false;
    }
    some.prefixes.clear();
    return true;
  }

  /// Takes the blocks of the sequence that has been idle longest, else of the lowest in priority and then
  /// youngest one that is below or younger than `s` and not in this step.
  private boolean preemptFor(Sequence s) {
    long now = nanoClock.getAsLong();
    Sequence idle = null;
    Sequence last = null;
    boolean lowerInBatch = false;
    for (int i = 0; i < sequences.size(); i++) {
      Sequence other = sequences.get(i);
      if (other == s || other.blockCount == 0) {
        continue;
      }
      if (other.inBatch) {
        lowerInBatch |= isBelow(other, s);
        continue;
      }
      if (!other.stepping
          && now - other.lastUsedNanos > BlockDemand.IDLE_GRACE_NANOS
          && (idle == null || other.lastUsedNanos < idle.lastUsedNanos)) {
        idle = other;
      }
      if (BlockDemand.comesAfter(other, s)
          && (last == null || BlockDemand.comesAfter(other, last))) {
        last = other;
      }
    }
    Sequence victim = idle != null ? idle : last;
    if (victim == null || (victim == last && lowerInBatch && !isBelow(victim, s))) {
      // One of a lower priority has blocks to give once it is out of this step.
      return false;
    }
    releaseFrom(victim, 0);
    victim.cached = 0;
    preemptions++;
    return true;
  }

  private static boolean isBelow(Sequence a, Sequence b) {
    return a.tenant.share().priority().compareTo(b.tenant.share().priority()) < 0;
  }

  /// Releases the blocks of a sequence from index `from` on.
  void releaseFrom(Sequence s, int from) {
    for (int i = from; i < s.blockCount; i++) {
      pool.release(s.blocks[i]);
    }
    s.dropBlocks(from);
  }
}
