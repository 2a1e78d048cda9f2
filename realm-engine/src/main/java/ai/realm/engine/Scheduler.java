package ai.realm.engine;

import ai.realm.compute.Batch;
import ai.realm.compute.KvStore;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Which rows go into the next forward step. Guarded by the engine's lock.
///
/// Token-weighted fair queueing (start-time fair queueing, Goyal et al. 1996): each tenant has a
/// virtual time that grows by the cost of what it is given over its weight, and the tenant with the
/// least goes first. A step takes every sequence that is decoding first, one row each, then prompts in
/// chunks:
///
/// | beside | rows of prompts |
/// |---|---|
/// | nothing, and no other tenant had work in the last second | all that fit |
/// | nothing | what the machine computes in the time of 8 decoding steps: who comes meanwhile waits no longer; after a shorter prompt, no more than that one has |
/// | decoding sequences | what it computes in `maxStallMillis` |
/// | another tenant's decoding sequences | what it computes in the time of such a step: so others' prompts at most double the time between a tenant's tokens |
///
/// Of a higher [Priority] everything goes first, but for what is owed to those below.
final class Scheduler {
  /// Prompt rows that are always taken: fewer would cost more than they bring.
  private static final int LEAST_CHUNK = 8;

  /// Prompt rows of a step without decoding rows, when other tenants may come: fewer would waste kernels.
  private static final int LEAST_SHARED_CHUNK = 32;

  /// How many decoding steps such a step may last.
  private static final int SHARED_CHUNK_STEPS = 8;

  /// How long a tenant counts as being there after its last work.
  private static final long COMPANY_NANOS = 1_000_000_000;

  /// What lower priorities get while higher ones have work: one row of so many.
  private static final double LOWER_SHARE = 1.0 / 16;

  /// How long a tenant counts as decoding after a token, besides the time of a step.
  private static final long MOMENT_NANOS = 5_000_000;

  /// Steps that are shorter leave a thread's core to others when tenants are in company: a guest that is
  /// woken on a core that computes waits for a time slice, of 2 to 4 ms on Linux.
  private static final long SHORT_STEP_NANOS = 2_000_000;

  /// Steps that are shorter always do: guests take a fair part of the time then, and the operations are too
  /// small to be faster with one thread more.
  private static final long TINY_STEP_NANOS = 500_000;

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
  private double nanosPerRow = 0;

  /// Of a step that only decodes; 0 until there was one.
  private double decodeNanos = 0;

  private int decodeRows;
  private long plan;
  private int promptRows;
  private double virtualNow = 0;

  /// Rows that tenants below the highest waiting priority are behind their least share, or ahead.
  private double owedBelow = 0;

  private int highest;
  private int lowest;
  long preemptions;
  long prefixBlocks;

  /// Requests of the step being planned, in batch order.
  final ArrayList<StepRequest> planned = new ArrayList<>();

  /// Requests that found no blocks in this step.
  private final ArrayList<StepRequest> blocked = new ArrayList<>();

  Scheduler(
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
    this.generates = generates;
    this.demand = demand;
    this.nanoClock = nanoClock;
  }

  /// A tenant that starts to compete again gets no credit for the time it was away.
  void activate(EngineTenant tenant) {
    tenant.virtualTime = Math.max(tenant.virtualTime, virtualNow);
  }

  /// Whether the planned step should leave a core to what else the tenants need.
  boolean sparesCore() {
    return decodeNanos > 0
        && (decodeNanos < TINY_STEP_NANOS || (decodeNanos < SHORT_STEP_NANOS && inCompany()));
  }

  /// Learns from a step how long a row takes.
  void measured(int rows, long nanos) {
    if (decodeRows > 0 && promptRows == 0) {
      decodeNanos = mean(decodeNanos, nanos);
    }
    if (rows >= 8) {
      nanosPerRow = mean(nanosPerRow, (double) nanos / rows);
    }
  }

  /// A moving mean that a step which the operating system held back hardly moves.
  private static double mean(double mean, double sample) {
    return mean == 0 ? sample : 0.8 * mean + 0.2 * Math.min(sample, 1.5 * mean);
  }

  /// Fills the batch; leaves it empty when nothing can run.
  void plan(Batch batch) {
    plan++;
    batch.clear();
    planned.clear();
    decodeRows = 0;
    rank();
    take(batch, true, config.maxRows());
    decodeRows = batch.rows();
    if (decodeRows == 0) {
      take(batch, false, promptRows());
    } else if (decodeNanos > 0) {
      take(batch, false, decodeRows + stallRows());
    }
    // else the first step that decodes does nothing else: to learn what that takes.
    promptRows = batch.rows() - decodeRows;
  }

  /// Which priorities have requests waiting.
  private void rank() {
    highest = Priority.LOW.ordinal();
    lowest = Priority.HIGH.ordinal();
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      if (!tenant.waiting.isEmpty()) {
        int priority = tenant.share().priority().ordinal();
        highest = Math.max(highest, priority);
        lowest = Math.min(lowest, priority);
      }
    }
    if (lowest >= highest) {
      owedBelow = 0;
    }
  }

  /// Rows of a step without decoding sequences.
  private int promptRows() {
    if (!inCompany()) {
      return config.maxRows();
    }
    if (decodeNanos == 0 || nanosPerRow == 0) {
      return stallRows();
    }
    double rows = SHARED_CHUNK_STEPS * decodeNanos / nanosPerRow;
    return (int) Math.min(config.maxRows(), Math.max(LEAST_SHARED_CHUNK, rows));
  }

  /// Whether several tenants have work, or had a moment ago.
  private boolean inCompany() {
    long now = nanoClock.getAsLong();
    int there = 0;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      boolean worked = tenant.promptTokens + tenant.decodedTokens > 0;
      if (!tenant.waiting.isEmpty() || (worked && now - tenant.lastWorkNanos < COMPANY_NANOS)) {
        there++;
      }
    }
    return there > 1;
  }

  /// Prompt rows that a tenant may add beside others' decoding sequences.
  private int rowsBesideStrangers() {
    if (decodeNanos == 0) {
      return stallRows();
    }
    if (nanosPerRow == 0) {
      return LEAST_CHUNK;
    }
    return (int) Math.max(LEAST_CHUNK, decodeNanos / nanosPerRow);
  }

  /// Whether sequences of other tenants decode in this step, or did a moment ago: between a token and the
  /// step after it lies what the caller makes of it.
  private boolean decodesBeside(EngineTenant tenant) {
    long now = nanoClock.getAsLong();
    double moment = MOMENT_NANOS + decodeNanos;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant other = tenants.get(t);
      if (other != tenant
          && (other.decodedInPlan == plan
              || (other.sequences > 0
                  && other.outputs > 0
                  && now - other.lastOutputNanos < moment))) {
        return true;
      }
    }
    return false;
  }

  /// Rows that a request may have in this step.
  private int room(Batch batch, StepRequest next, boolean decode, int maxRows) {
    if (next.whole) {
      int all = config.maxRows() - batch.rows();
      return next.count <= all ? all : 0;
    }
    int room = maxRows - batch.rows();
    if (decode || !decodesBeside(next.sequence().tenant)) {
      return room;
    }
    return Math.min(room, rowsBesideStrangers() - (batch.rows() - decodeRows));
  }

  private int stallRows() {
    if (nanosPerRow == 0) {
      return 32;
    }
    return (int)
        Math.max(1, Math.min(config.maxRows(), config.maxStallMillis() * 1e6 / nanosPerRow));
  }

  /// Adds requests that have one row left (`decode`) or more, fairest tenant first, up to `maxRows`.
  private void take(Batch batch, boolean decode, int rowLimit) {
    int maxRows = Math.min(rowLimit, config.maxRows());
    blocked.clear();
    while (batch.rows() < maxRows && batch.sequences() < config.maxSequences()) {
      StepRequest next = fairest(decode);
      if (next == null) {
        return;
      }
      int room = room(batch, next, decode, maxRows);
      if (room <= 0) {
        // None of its prompts fits beside the others' tokens.
        next.sequence().tenant.heldInPlan = plan;
        continue;
      }
      next.sequence().inBatch = true;
      if (!add(batch, next, room)) {
        // No blocks for it in this step: it stays queued, others may still fit.
        next.sequence().inBatch = false;
        next.sequence().lastUsedNanos = nanoClock.getAsLong();
        blocked.add(next);
      } else if (batch.sequences() == 1 && !decode && maxRows < config.maxRows()) {
        // In company, the first prompt's step is at most twice as long for what others add to it.
        maxRows = Math.min(maxRows, Math.max(LEAST_SHARED_CHUNK, 2 * batch.rows()));
      }
    }
  }

  private @Nullable StepRequest fairest(boolean decode) {
    StepRequest best = owedBelow < LEAST_CHUNK ? null : fairest(decode, highest - 1);
    return best != null ? best : fairest(decode, highest);
  }

  /// The request to take next of tenants up to a priority.
  private @Nullable StepRequest fairest(boolean decode, int atMost) {
    StepRequest best = null;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      if (tenant.share().priority().ordinal() > atMost || (!decode && tenant.heldInPlan == plan)) {
        continue;
      }
      if (best != null && !goesBefore(tenant, best.sequence().tenant)) {
        continue;
      }
      for (int i = 0; i < tenant.waiting.size(); i++) {
        StepRequest r = tenant.waiting.get(i);
        boolean single = !r.whole && r.start + r.count - r.sequence().cached == 1;
        if (!r.sequence().inBatch && single == decode && !blocked.contains(r)) {
          best = r;
          break;
        }
      }
    }
    return best;
  }

  private static boolean goesBefore(EngineTenant a, EngineTenant b) {
    int byPriority = a.share().priority().compareTo(b.share().priority());
    return byPriority != 0 ? byPriority > 0 : a.virtualTime < b.virtualTime;
  }

  private boolean add(Batch batch, StepRequest request, int room) {
    Sequence s = request.sequence();
    int end = request.start + request.count;
    int firstOutput = request.firstWanted();
    int limit = Math.min(firstOutput, end - 1);
    int reused = s.cached == 0 && s.blockCount == 0 ? reusePrefix(s, limit) : 0;
    int take = Math.min(end - s.cached, room);
    if (!reserve(s, s.cached + take)) {
      if (!demand.canBeMet(s) || demand.hasCopiesOfPublished(s, limit)) {
        // It must wait for sequences that go first, or finds blocks that are published: till then
        // it keeps none.
        yieldBlocks(s);
      } else {
        prefixBlocks += reused;
      }
      return false;
    }
    prefixBlocks += reused;
    int outputs =
        request.pool != null ? 0 : Math.max(0, s.cached + take - Math.max(firstOutput, s.cached));
    int index = batch.add(s.tokens, s.cached, take, s.cached, s.blocks, outputs);
    batch.adapt(index, s.adapter);
    planned.add(request);
    EngineTenant tenant = s.tenant;
    boolean decode = take == 1 && request.count == 1;
    double cost = decode ? config.decodeCost() : take;
    virtualNow = Math.max(virtualNow, tenant.virtualTime);
    tenant.virtualTime += cost / tenant.share().weight();
    tenant.lastWorkNanos = nanoClock.getAsLong();
    int priority = tenant.share().priority().ordinal();
    if (priority < highest) {
      owedBelow = Math.max(-config.maxRows(), owedBelow - cost);
    } else if (lowest < highest) {
      owedBelow = Math.min(config.maxRows(), owedBelow + cost * LOWER_SHARE);
    }
    if (decode) {
      tenant.decodedTokens++;
      tenant.decodedInPlan = plan;
    } else {
      tenant.promptTokens += take;
    }
    return true;
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
    for (int i = 0; i < sequences.size(); i++) {
      Sequence other = sequences.get(i);
      if (other == s || other.inBatch || other.blockCount == 0) {
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
    if (victim == null) {
      return false;
    }
    releaseFrom(victim, 0);
    victim.cached = 0;
    preemptions++;
    return true;
  }

  /// Releases the blocks of a sequence from index `from` on.
  void releaseFrom(Sequence s, int from) {
    for (int i = from; i < s.blockCount; i++) {
      pool.release(s.blocks[i]);
    }
    s.dropBlocks(from);
  }
}
