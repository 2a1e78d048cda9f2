package ai.realm.engine;

import ai.realm.compute.Adapter;
import ai.realm.compute.Batch;
import ai.realm.compute.KvStore;
import ai.realm.error.RealmException;
import ai.realm.model.ModelConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Who has which sequences, requests and blocks, and every change to it. Knows neither threads nor
/// kernels: [Engine] calls it under its lock, the fairness tests on a clock of their own.
final class EngineState {
  private final EngineConfig config;
  private final int vocabulary;
  private final KvStore kv;
  private final BlockPool pool;
  private final LongSupplier nanoClock;
  private final boolean recurrent;
  private final boolean generates;
  private final List<EngineTenant> tenants = new ArrayList<>();
  private final List<Sequence> sequences = new ArrayList<>();
  private final List<PublishedPrefix> published = new ArrayList<>();
  private @Nullable EngineTenant publisher;
  private final StepAdmission admission;
  private final BlockSupply supply;

  /// Whether more is published than when the waiting requests were admitted.
  private boolean morePublished;

  private long tenantNumbers;
  private long sequenceNumbers;

  final Scheduler scheduler;

  /// Requests that wait or are in a step; read by the engine thread without the lock while it spins.
  final AtomicInteger queued = new AtomicInteger();

  /// Those of them that decode.
  final AtomicInteger decoding = new AtomicInteger();

  /// Requests that decode and came since the engine thread last set it to 0.
  final AtomicInteger cameBack = new AtomicInteger();

  /// When nearly all callers of the step that ends should be back with their next token, after its end; of the
  /// engine thread.
  long returnNanos;

  EngineState(EngineConfig config, KvStore kv, ModelConfig model, LongSupplier nanoClock) {
    this.config = config;
    this.vocabulary = model.vocabularySize();
    this.generates = model.generates();
    this.nanoClock = nanoClock;
    this.kv = kv;
    this.recurrent = kv.layout().stateFloats() > 0;
    this.pool = new BlockPool(kv);
    BlockDemand demand = new BlockDemand(config, pool, sequences, published, nanoClock);
    this.admission = new StepAdmission(config, model, pool, demand, queued, nanoClock);
    this.supply =
        new BlockSupply(
            config, pool, kv, tenants, sequences, published, demand, generates, nanoClock);
    this.scheduler = new Scheduler(config, tenants, sequences, supply, nanoClock);
  }

  // ---- tenants and sequences
  // ----------------------------------------------------------------------

  EngineTenant tenant(String name, TenantShare share) {
    EngineTenant tenant =
        new EngineTenant(name, share, tenantNumbers++, new PrefixCache(pool, config.blockSize()));
    tenants.add(tenant);
    return tenant;
  }

  void update(EngineTenant tenant, TenantShare share) {
    checkRegistered(tenant);
    scheduler.change(tenant, share);
  }

  private void checkRegistered(EngineTenant tenant) {
    if (!tenants.contains(tenant)) {
      throw new IllegalArgumentException(tenant + " is not registered with this engine");
    }
  }

  void remove(EngineTenant tenant) {
    if (tenant.sequences > 0) {
      throw new IllegalStateException(
          tenant + " has " + tenant.sequences + " open sequences: close them first");
    }
    tenant.prefixes.clear();
    tenants.remove(tenant);
  }

  /// The tenant in whose name published prompts are computed.
  EngineTenant publisher() {
    EngineTenant present = publisher;
    if (present == null) {
      present = tenant("published", TenantShare.UNBOUNDED);
      publisher = present;
    }
    return present;
  }

  /// Checks that so many tokens may be published besides what is.
  void admitPublished(int tokens) {
    int held = 0;
    for (PublishedPrefix prefix : published) {
      held += prefix.blocks.length;
    }
    int wanted = tokens / config.blockSize();
    if (wanted == 0) {
      throw new IllegalArgumentException(
          "publish: expected at least a block of %d tokens, found %d"
              .formatted(config.blockSize(), tokens));
    }
    if (held + wanted > pool.blocks() / 2) {
      throw new AdmissionException(
          "PUBLISHED_LIMIT",
          "published prompts: at most half of %d KV blocks, found %d besides %d"
              .formatted(pool.blocks(), wanted, held));
    }
  }

  /// Lets every tenant find the blocks of a computed sequence.
  PublishedPrefix publish(SequenceCalls calls, Sequence s, int tokens) {
    admitPublished(tokens);
    int count = tokens / config.blockSize();
    if (s.cached < count * config.blockSize()) {
      throw new AdmissionException(
          "KV_LIMIT", "published prompts: others took its blocks before it was published");
    }
    int[] blocks = Arrays.copyOf(s.blocks, count);
    for (int block : blocks) {
      pool.retain(block);
    }
    PublishedPrefix prefix =
        new PublishedPrefix(
            calls, s.adapter, Arrays.copyOf(s.tokens, count * config.blockSize()), blocks);
    published.add(prefix);
    morePublished = true;
    return prefix;
  }

  void withdraw(PublishedPrefix prefix) {
    if (published.remove(prefix)) {
      letGo(prefix.blocks);
      publisher().prefixes.clear();
    }
  }

  Sequence newSequence(SequenceCalls calls, EngineTenant tenant, @Nullable Adapter adapter) {
    return newSequence(calls, tenant, adapter, tenant.share());
  }

  /// @param opened the share whose bounds it keeps
  private Sequence newSequence(
      SequenceCalls calls, EngineTenant tenant, @Nullable Adapter adapter, TenantShare opened) {
    checkRegistered(tenant);
    int limit = Math.max(opened.maxSequences(), tenant.share().maxSequences());
    if (tenant.sequences >= limit) {
      throw new AdmissionException(
          "SEQUENCE_LIMIT", "%s: at most %d open sequences".formatted(tenant, limit));
    }
    tenant.sequences++;
    Sequence s = new Sequence(calls, tenant, adapter, sequenceNumbers++, opened);
    s.lastUsedNanos = nanoClock.getAsLong();
    sequences.add(s);
    return s;
  }

  Sequence fork(SequenceCalls calls, Sequence s) {
    checkIdle(s);
    int held = s.tenant.kvBlocks + s.blockCount;
    if (held > s.maxKvBlocks()) {
      throw admission.kvLimit(s.tenant, s.maxKvBlocks(), "this fork", held);
    }
    Sequence copy = newSequence(calls, s.tenant, s.adapter, s.opened);
    copy.tokens = Arrays.copyOf(s.tokens, s.length);
    copy.length = s.length;
    copy.cached = s.cached;
    copy.history = s.history.fork(s.length);
    for (int i = 0; i < s.blockCount; i++) {
      pool.retain(s.blocks[i]);
      copy.addBlock(s.blocks[i]);
    }
    return copy;
  }

  /// Holds the blocks of an idle sequence once more and returns them.
  int[] holdBlocks(Sequence s) {
    checkIdle(s);
    int[] blocks = Arrays.copyOf(s.blocks, config.blocksFor(s.cached));
    for (int block : blocks) {
      pool.retain(block);
    }
    return blocks;
  }

  void letGo(int[] blocks) {
    for (int block : blocks) {
      pool.release(block);
    }
  }

  /// Opens a sequence that has as many blocks as can be had for a saved one, and that nobody takes them
  /// from before [#endOpen].
  Sequence beginOpen(
      SequenceCalls calls, EngineTenant tenant, @Nullable Adapter adapter, SavedSequence saved) {
    if (!saved.layout().equals(kv.layout())) {
      throw new IllegalArgumentException(
          "saved sequence: expected the layout %s, found %s"
              .formatted(kv.layout(), saved.layout()));
    }
    for (int token : saved.tokens()) {
      if (token < 0 || token >= vocabulary) {
        throw new IllegalArgumentException(
            "saved sequence: expected token ids below %d, found %d".formatted(vocabulary, token));
      }
    }
    if (saved.tokens().length > admission.contextLength()) {
      throw new AdmissionException(
          "CONTEXT_FULL",
          "context of %d tokens: the saved sequence has %d"
              .formatted(admission.contextLength(), saved.tokens().length));
    }
    int held = tenant.kvBlocks + saved.blocks().length;
    int limit = tenant.share().maxKvBlocks();
    if (saved.blocks().length > pool.blocks() || held > limit) {
      throw admission.kvLimit(tenant, limit, "the saved sequence", held);
    }
    Sequence s = newSequence(calls, tenant, adapter);
    s.tokens = Arrays.copyOf(saved.tokens(), Math.max(1, saved.tokens().length));
    s.length = saved.tokens().length;
    s.inBatch = true;
    supply.obtain(s, saved.blocks().length);
    return s;
  }

  void endOpen(Sequence s, SavedSequence saved) {
    s.cached = Math.min(saved.cached(), s.blockCount * config.blockSize());
    s.inBatch = false;
    s.lastUsedNanos = nanoClock.getAsLong();
  }

  void truncate(Sequence s, int newLength) {
    checkIdle(s);
    if (newLength < 0 || newLength > s.length) {
      throw new IllegalArgumentException(
          "truncate: expected 0 to %d tokens, found %d".formatted(s.length, newLength));
    }
    s.length = newLength;
    s.history.truncate(newLength);
    s.shrinkTokens();
    trim(s);
  }

  void close(Sequence s) {
    if (s.closed) {
      return;
    }
    s.closed = true;
    if (!s.stepping) {
      dispose(s);
      return;
    }
    for (StepRequest r : s.tenant.waiting) {
      if (r.sequence() == s) {
        r.cancel();
      }
    }
  }

  // ---- requests
  // -----------------------------------------------------------------------------------

  /// Queues a request.
  ///
  /// @throws RuntimeException when it is refused
  void submit(StepRequest request) {
    admit(request, 0);
    enqueue(request);
  }

  /// Admits a request and promises it its blocks, so that the next one is measured against what is left.
  private void admit(StepRequest request, int ahead) {
    Sequence s = request.sequence();
    checkIdle(s);
    admission.admit(request, ahead);
    s.promise(config.blocksFor(s.length + request.count));
  }

  /// Queues requests of different sequences: all of them or none.
  ///
  /// @throws RuntimeException when one is refused
  void submit(List<StepRequest> requests) {
    int admitted = 0;
    try {
      for (; admitted < requests.size(); admitted++) {
        admit(requests.get(admitted), admitted);
      }
    } catch (RuntimeException e) {
      for (int i = 0; i < admitted; i++) {
        requests.get(i).sequence().promise(0);
      }
      throw e;
    }
    for (int i = 0; i < requests.size(); i++) {
      enqueue(requests.get(i));
    }
  }

  private void enqueue(StepRequest request) {
    Sequence s = request.sequence();
    s.stepping = true;
    request.submitted(s.length);
    request.decodes = request.count == 1 && s.length > 0 && s.cached == s.length;
    if (request.decodes) {
      decoding.incrementAndGet();
      cameBack.incrementAndGet();
      if (s.hadOutput) {
        s.tenant.returnTime.add(nanoClock.getAsLong() - s.lastUsedNanos);
      }
    }
    if (s.tenant.waiting.isEmpty()) {
      scheduler.activate(s.tenant);
    }
    s.tenant.waiting.add(request);
    queued.incrementAndGet();
  }

  void plan(Batch batch) {
    scheduler.plan(batch);
  }

  /// Accounts for the rows of a request that a step has computed. Returns whether the request is
  /// complete; the caller then wakes its owner, outside the lock.
  boolean finish(StepRequest r, int rowsDone, @Nullable RealmException error) {
    Sequence s = r.sequence();
    s.inBatch = false;
    s.lastUsedNanos = nanoClock.getAsLong();
    if (error != null) {
      s.hadOutput = false;
      dropUnfinishedState(s);
      end(r);
      return false;
    }
    s.cached += rowsDone;
    if (s.cached < r.start + r.count) {
      return false;
    }
    s.length = s.cached;
    s.hadOutput = r.outputs > 0;
    if (r.outputs > 0) {
      returnNanos = Math.max(returnNanos, s.tenant.returnTime.nanos());
      s.tenant.outputs++;
      s.tenant.lastOutputNanos = s.lastUsedNanos;
    }
    if (r.count > 1 && generates) {
      // After a prompt its full blocks can serve the tenant's next prompt.
      s.tenant.prefixes.insert(s.adapter, s.tokens, s.blocks, s.cached / config.blockSize());
    }
    end(r);
    return true;
  }

  /// Ends what was cancelled, and what can never run since more was published.
  void dropHopeless() {
    boolean check = morePublished;
    morePublished = false;
    for (int t = 0; t < tenants.size(); t++) {
      ArrayList<StepRequest> waiting = tenants.get(t).waiting;
      for (int i = waiting.size() - 1; i >= 0; i--) {
        StepRequest r = waiting.get(i);
        if (r.isCancelled()) {
          end(r);
          r.fail(new EngineException("CANCELLED", "the step was cancelled"));
        } else if (check && !admission.canEverRun(r, r.start)) {
          int needed = config.blocksFor(r.start + r.count);
          end(r);
          r.fail(admission.poolLimit(r.sequence().tenant, needed));
        }
      }
    }
  }

  void failAll(RealmException reason) {
    for (EngineTenant tenant : tenants) {
      while (!tenant.waiting.isEmpty()) {
        StepRequest r = tenant.waiting.getLast();
        r.sequence().inBatch = false;
        end(r);
        r.fail(reason);
      }
    }
  }

  /// Takes a request out of the queue and its sequence out of its step.
  private void end(StepRequest r) {
    Sequence s = r.sequence();
    s.tenant.waiting.remove(r);
    queued.decrementAndGet();
    if (r.decodes) {
      r.decodes = false;
      decoding.decrementAndGet();
    }
    admission.ended();
    s.stepping = false;
    s.promise(0);
    trim(s);
    if (s.closed) {
      dispose(s);
    }
  }

  /// Gives back what lies behind the sequence's length. A model with running state can go on from the
  /// end of a block only, so the rest of the block is computed again.
  private void trim(Sequence s) {
    if (s.length < s.cached) {
      s.cached = recurrent ? s.length / config.blockSize() * config.blockSize() : s.length;
    }
    supply.releaseFrom(s, config.blocksFor(s.cached));
  }

  /// After a failed step running state may be that of positions which are not counted: only full blocks
  /// are what they were.
  private void dropUnfinishedState(Sequence s) {
    if (recurrent) {
      s.cached = s.cached / config.blockSize() * config.blockSize();
    }
  }

  private void dispose(Sequence s) {
    if (generates) {
      // An encoder's keys and values belong to the whole text.
      s.tenant.prefixes.insert(s.adapter, s.tokens, s.blocks, s.cached / config.blockSize());
    }
    supply.releaseFrom(s, 0);
    s.cached = 0;
    s.tenant.sequences--;
    sequences.remove(s);
  }

  private static void checkIdle(Sequence s) {
    if (s.closed) {
      throw new IllegalStateException("the sequence is closed");
    }
    if (s.stepping) {
      throw new IllegalStateException("the sequence has a step in flight");
    }
  }

  EngineStats stats(long steps, long rows, long outputs) {
    int cachedBlocks = 0;
    for (EngineTenant tenant : tenants) {
      cachedBlocks += tenant.prefixes.size();
    }
    int publishedBlocks = 0;
    for (PublishedPrefix prefix : published) {
      publishedBlocks += prefix.blocks.length;
    }
    return new EngineStats(
        steps,
        rows,
        outputs,
        supply.preemptions,
        supply.prefixBlocks,
        queued.get(),
        tenants.size(),
        sequences.size(),
        pool.freeBlocks(),
        cachedBlocks,
        publishedBlocks,
        pool.blocks());
  }
}
