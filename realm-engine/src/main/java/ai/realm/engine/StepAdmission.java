package ai.realm.engine;

import ai.realm.model.ModelConfig;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/// Which steps an engine takes on: each is measured against every limit before anything is allocated for it.
/// Guarded by the engine's lock.
final class StepAdmission {
  private static final long LEAST_RETRY_NANOS = 1_000_000;
  private static final long MOST_RETRY_NANOS = 10_000_000_000L;

  private final EngineConfig config;
  private final int contextLength;
  private final int vocabulary;
  private final boolean generates;
  private final BlockPool pool;
  private final BlockDemand demand;
  private final AtomicInteger queued;
  private final LongSupplier nanoClock;

  /// A mean of the time from one waiting request's end to the next one's: then a place is free.
  private long nanosPerEnd;

  private long lastEndNanos = -1;

  /// @param queued requests that wait or are in a step
  StepAdmission(
      EngineConfig config,
      ModelConfig model,
      BlockPool pool,
      BlockDemand demand,
      AtomicInteger queued,
      LongSupplier nanoClock) {
    this.config = config;
    this.contextLength = Math.min(config.maxContext(), model.contextLength());
    this.vocabulary = model.vocabularySize();
    this.generates = model.generates();
    this.pool = pool;
    this.demand = demand;
    this.queued = queued;
    this.nanoClock = nanoClock;
  }

  /// The most tokens of a sequence.
  int contextLength() {
    return contextLength;
  }

  /// Checks a request against every limit before anything changes.
  ///
  /// @param ahead how many requests of the same submission were admitted before it
  void admit(StepRequest request, int ahead) {
    Sequence s = request.sequence();
    // First of all: who is refused a place costs no look at its tokens.
    checkQueue(s, ahead);
    request.checkReady(vocabulary, generates, config.maxRows());
    int total = s.length + request.count;
    if (total > contextLength || total < 0) {
      throw new AdmissionException(
          "CONTEXT_FULL",
          "context of %d tokens: the sequence has %d, %d more do not fit"
              .formatted(contextLength, s.length, request.count));
    }
    int held = s.tenant.kvBlocks - s.charged() + config.blocksFor(total);
    if (held > s.maxKvBlocks()) {
      throw kvLimit(s.tenant, s.maxKvBlocks(), "this step", held);
    }
    s.stage(request.tokens, request.count);
    if (!canEverRun(request, s.length)) {
      throw poolLimit(s.tenant, config.blocksFor(total));
    }
  }

  /// Whether a request would have its blocks if it were alone.
  boolean canEverRun(StepRequest r, int start) {
    Sequence s = r.sequence();
    int end = start + r.count;
    int needed = config.blocksFor(end);
    if (needed <= pool.blocks() / 2 || demand.fits(needed, 0)) {
      // At most half of the blocks are published.
      return true;
    }
    int shared = demand.published(s, Math.min(r.firstWanted(start), end - 1));
    return demand.fits(needed, shared);
  }

  AdmissionException poolLimit(EngineTenant tenant, int needed) {
    return new AdmissionException(
        "KV_LIMIT",
        "%s: this step needs %d KV blocks of %d positions, of %d there are of which %d hold published prompts"
            .formatted(
                tenant, needed, config.blockSize(), pool.blocks(), demand.publishedBlocks()));
  }

  /// Sequences that have begun may still wait where new ones are refused: under overload, tokens of
  /// generations that are then given up would be lost work.
  private void checkQueue(Sequence s, int ahead) {
    int places = s.length == 0 ? 1 : 2;
    int ownLimit = s.maxQueuedRequests();
    if (s.tenant.waiting.size() + ahead >= (long) places * ownLimit) {
      throw queueFull(s.tenant.toString(), ownLimit);
    }
    if (queued.get() + ahead >= (long) places * config.maxQueuedRequests()) {
      throw queueFull("engine", config.maxQueuedRequests());
    }
  }

  /// @param limit the tenant's, where the pool has as many
  AdmissionException kvLimit(EngineTenant tenant, int limit, String what, int needed) {
    return new AdmissionException(
        "KV_LIMIT",
        "%s: at most %d KV blocks of %d positions, %s would need %d"
            .formatted(tenant, Math.min(pool.blocks(), limit), config.blockSize(), what, needed));
  }

  private AdmissionException queueFull(String whose, int limit) {
    return new AdmissionException(
        "QUEUE_FULL",
        whose
            + ": at most "
            + limit
            + " steps may wait, twice as many of sequences that have begun",
        Math.clamp(nanosPerEnd, LEAST_RETRY_NANOS, MOST_RETRY_NANOS));
  }

  /// Learns how long waiting requests take to end.
  void ended() {
    long now = nanoClock.getAsLong();
    if (lastEndNanos >= 0) {
      nanosPerEnd += (now - lastEndNanos - nanosPerEnd) / 8;
    }
    // Where nothing waits, the time to the next end says nothing.
    lastEndNanos = queued.get() > 0 ? now : -1;
  }
}
