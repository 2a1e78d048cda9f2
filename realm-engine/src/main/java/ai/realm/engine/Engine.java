package ai.realm.engine;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.error.RealmException;
import ai.realm.model.CausalLm;
import ai.realm.model.ForwardPass;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Runs forward steps over the sequences of all tenants: continuous batching over one model. One thread
/// owns scheduler, batch, scratch memory and KV store; callers hand it [StepRequest]s and wait on them.
///
/// There is no generate here. Which token to feed next is the caller's decision, one step at a time.
public final class Engine implements AutoCloseable {
  private static final long CLOSE_TIMEOUT_MILLIS = 10_000;

  /// After a step the callers that got a token come back with it; waking a parked thread costs some
  /// 50 µs, so the engine looks for them this long before it parks.
  private static final long SPIN_NANOS = 100_000;

  /// The most time that a step waits for sequences of the last one, so that they stay batched.
  private static final long MAX_GATHER_NANOS = 1_000_000;

  private final CausalLm model;
  private final Backend backend;
  private final EngineConfig config;
  private final KvStore kv;
  private final ForwardPass forwardPass;
  private final BlockPool pool;
  private final Scheduler scheduler;
  private final Batch batch;
  private final int contextLength;
  private final int vocabulary;
  private final float[] logits;
  private final long[] allowed;
  private final Thread thread;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition work = lock.newCondition();
  private final List<EngineTenant> tenants = new ArrayList<>();
  private final List<Sequence> sequences = new ArrayList<>();
  private long tenantNumbers;
  private long sequenceNumbers;

  /// Written under the lock, read without it while spinning.
  private volatile int queued;

  private int completed;
  private long stepEndNanos;
  private long stepNanos;
  private long steps;
  private long rows;
  private long outputs;
  private boolean closing;
  private volatile @Nullable Throwable failure;

  private Engine(CausalLm model, Backend backend, EngineConfig config) {
    this.model = model;
    this.backend = backend;
    this.config = config;
    this.contextLength = model.config().contextLength();
    this.vocabulary = model.config().vocabularySize();
    this.kv = backend.kvStore(model.kvLayout(config.blockSize(), config.kvType()), config.blocks());
    this.forwardPass = model.newForwardPass(config.maxRows(), config.maxSequences());
    this.pool = new BlockPool(kv);
    this.scheduler = new Scheduler(config, pool, kv, tenants, sequences);
    this.batch = new Batch(config.maxRows(), config.maxSequences());
    this.logits = new float[vocabulary];
    this.allowed = new long[(vocabulary + 63) / 64];
    this.thread = new Thread(this::run, "realm-engine");
    thread.setDaemon(true);
  }

  /// Starts an engine over a loaded model. The model and the backend must outlive it.
  public static Engine start(CausalLm model, Backend backend, EngineConfig config) {
    Engine engine = new Engine(model, backend, config);
    engine.thread.start();
    return engine;
  }

  /// The model that it runs.
  public CausalLm model() {
    return model;
  }

  /// Its sizes and bounds.
  public EngineConfig config() {
    return config;
  }

  /// Whether the engine thread runs; when it does not, every request fails.
  public boolean isAlive() {
    return thread.isAlive() && failure == null;
  }

  /// Registers a tenant.
  public EngineTenant tenant(String name, TenantShare share) {
    lock.lock();
    try {
      checkOpen();
      EngineTenant tenant =
          new EngineTenant(name, share, tenantNumbers++, new PrefixCache(pool, config.blockSize()));
      tenants.add(tenant);
      return tenant;
    } finally {
      lock.unlock();
    }
  }

  /// Removes a tenant and what its prefix cache holds.
  ///
  /// @throws IllegalStateException while it has open sequences
  public void remove(EngineTenant tenant) {
    lock.lock();
    try {
      if (tenant.sequences > 0) {
        throw new IllegalStateException(
            tenant + " has " + tenant.sequences + " open sequences: close them first");
      }
      tenant.prefixes.clear();
      tenants.remove(tenant);
    } finally {
      lock.unlock();
    }
  }

  /// Opens an empty sequence.
  ///
  /// @throws AdmissionException `SEQUENCE_LIMIT` when the tenant may open no more
  public Sequence newSequence(EngineTenant tenant) {
    lock.lock();
    try {
      checkOpen();
      if (!tenants.contains(tenant)) {
        throw new IllegalArgumentException(tenant + " is not registered with this engine");
      }
      if (tenant.sequences >= tenant.share().maxSequences()) {
        throw new AdmissionException(
            "SEQUENCE_LIMIT",
            "%s: at most %d open sequences".formatted(tenant, tenant.share().maxSequences()));
      }
      tenant.sequences++;
      Sequence s = new Sequence(this, tenant, sequenceNumbers++);
      s.lastUsedNanos = System.nanoTime();
      sequences.add(s);
      return s;
    } finally {
      lock.unlock();
    }
  }

  /// Queues a step; it runs as soon as the scheduler finds it a place, with those of other callers.
  ///
  /// @throws AdmissionException `QUEUE_FULL`, `CONTEXT_FULL` or `KV_LIMIT`: nothing was queued
  public void submit(StepRequest request) {
    lock.lock();
    try {
      admit(request);
      enqueue(request);
      work.signal();
    } finally {
      lock.unlock();
    }
  }

  /// Queues several steps together, so that one forward step can take them all. Each must be of another
  /// sequence. Either all are queued or none.
  ///
  /// @throws AdmissionException as for one
  public void submit(List<StepRequest> requests) {
    lock.lock();
    try {
      for (int i = 0; i < requests.size(); i++) {
        StepRequest request = requests.get(i);
        for (int j = 0; j < i; j++) {
          if (requests.get(j).sequence() == request.sequence()) {
            throw new IllegalArgumentException(
                "step: expected distinct sequences, found the same at %d and %d".formatted(j, i));
          }
        }
        admit(request);
      }
      if (queued + requests.size() > config.maxQueuedRequests()) {
        throw queueFull("engine", config.maxQueuedRequests());
      }
      for (int i = 0; i < requests.size(); i++) {
        enqueue(requests.get(i));
      }
      work.signal();
    } finally {
      lock.unlock();
    }
  }

  private void admit(StepRequest request) {
    checkOpen();
    Sequence s = request.sequence();
    checkIdle(s);
    if (request.state() != StepRequest.State.IDLE) {
      throw new IllegalStateException("step: the request was not set anew since its last use");
    }
    if (request.outputs > 0 && request.sampler == null && !request.keepLogits) {
      throw new IllegalArgumentException("step: outputs need a sampler or kept logits");
    }
    for (int i = 0; i < request.count; i++) {
      int token = request.tokens[i];
      if (token < 0 || token >= vocabulary) {
        throw new IllegalArgumentException(
            "step: expected token ids below %d, found %d at index %d"
                .formatted(vocabulary, token, i));
      }
    }
    int total = s.length + request.count;
    if (total > contextLength || total < 0) {
      throw new AdmissionException(
          "CONTEXT_FULL",
          "context of %d tokens: the sequence has %d, %d more do not fit"
              .formatted(contextLength, s.length, request.count));
    }
    int blocks = (total + config.blockSize() - 1) / config.blockSize();
    int others = s.tenant.kvBlocks - s.blockCount;
    int allowedBlocks = Math.min(pool.blocks(), s.tenant.share().maxKvBlocks());
    if (blocks > pool.blocks() || others + blocks > s.tenant.share().maxKvBlocks()) {
      throw new AdmissionException(
          "KV_LIMIT",
          "%s: at most %d KV blocks of %d positions, this step would need %d"
              .formatted(s.tenant, allowedBlocks, config.blockSize(), others + blocks));
    }
    if (s.tenant.waiting.size() >= s.tenant.share().maxQueuedRequests()) {
      throw queueFull(s.tenant.toString(), s.tenant.share().maxQueuedRequests());
    }
    if (queued >= config.maxQueuedRequests()) {
      throw queueFull("engine", config.maxQueuedRequests());
    }
  }

  private static AdmissionException queueFull(String whose, int limit) {
    return new AdmissionException("QUEUE_FULL", whose + ": at most " + limit + " steps may wait");
  }

  private void enqueue(StepRequest request) {
    Sequence s = request.sequence();
    s.stage(request.tokens, request.count);
    s.stepping = true;
    request.submitted(s.length);
    if (s.tenant.waiting.isEmpty()) {
      scheduler.activate(s.tenant);
    }
    s.tenant.waiting.add(request);
    queued = queued + 1;
  }

  // ---- the engine thread ------------------------------------------------------------------------

  private void run() {
    try {
      do {
        gather();
      } while (plan() && step());
      failAll(new EngineException("ENGINE_CLOSED", "the engine was closed"));
    } catch (Throwable t) {
      failure = t;
      failAll(new EngineException("ENGINE_FAILURE", "the engine stopped: " + t, t));
      throw t;
    }
  }

  /// Waits for requests and plans a step over them. Returns false when the engine closes.
  private boolean plan() {
    lock.lock();
    try {
      while (true) {
        if (closing) {
          return false;
        }
        dropCancelled();
        if (queued > 0) {
          scheduler.plan(batch);
          if (batch.rows() > 0) {
            return true;
          }
        }
        // Nothing to do, or no blocks for what waits: until a signal, looking again for idle
        // sequences.
        work.awaitNanos(TimeUnit.MILLISECONDS.toNanos(queued > 0 ? 5 : 1000));
      }
    } catch (InterruptedException e) {
      return false;
    } finally {
      lock.unlock();
    }
  }

  private void dropCancelled() {
    for (int t = 0; t < tenants.size(); t++) {
      ArrayList<StepRequest> waiting = tenants.get(t).waiting;
      for (int i = waiting.size() - 1; i >= 0; i--) {
        StepRequest r = waiting.get(i);
        if (r.isCancelled()) {
          end(r);
          r.fail(new EngineException("CANCELLED", "the step was cancelled"));
        }
      }
    }
  }

  /// Waits a moment, without parking, for the callers whose step just ended.
  private void gather() {
    if (completed == 0) {
      return;
    }
    int together = queued + completed;
    long gatherUntil = stepEndNanos + Math.clamp(stepNanos / 16, SPIN_NANOS / 2, MAX_GATHER_NANOS);
    long spinUntil = stepEndNanos + SPIN_NANOS;
    while (true) {
      int n = queued;
      long now = System.nanoTime();
      if (n >= together || (n > 0 && now > gatherUntil) || (n == 0 && now > spinUntil)) {
        return;
      }
      Thread.onSpinWait();
    }
  }

  /// Runs the planned step. Always true.
  private boolean step() {
    long started = System.nanoTime();
    RealmException failed = null;
    Buffer results = null;
    try {
      results = forwardPass.forward(batch, kv);
    } catch (RuntimeException e) {
      failed = new EngineException("ENGINE_FAILURE", "the forward step failed: " + e, e);
    }
    long nanos = System.nanoTime() - started;
    completed = 0;
    int row = 0;
    for (int i = 0; i < scheduler.planned.size(); i++) {
      StepRequest r = scheduler.planned.get(i);
      RealmException error = failed;
      int last = batch.firstRow(i) + batch.rows(i);
      while (row < batch.outputs() && batch.outputRows()[row] < last) {
        if (error == null && results != null) {
          error = sample(r, results, row);
        }
        row++;
      }
      finish(r, batch.rows(i), error);
    }
    lock.lock();
    try {
      steps++;
      rows += batch.rows();
      outputs += batch.outputs();
      scheduler.measured(batch.rows(), nanos);
    } finally {
      lock.unlock();
    }
    stepEndNanos = System.nanoTime();
    stepNanos = stepEndNanos - started;
    return true;
  }

  private @Nullable RealmException sample(StepRequest r, Buffer results, int row) {
    try {
      backend.read(results, (long) row * vocabulary, logits, 0, vocabulary);
      if (r.produced == 0 && r.sampler != null) {
        for (int i = 0; i < r.count; i++) {
          r.sampler.accept(r.tokens[i]);
        }
      }
      TokenConstraint constraint = r.constraint;
      if (constraint != null) {
        Arrays.fill(allowed, 0);
        constraint.mask(allowed);
        for (int t = 0; t < vocabulary; t++) {
          if ((allowed[t >> 6] >>> t & 1) == 0) {
            logits[t] = Float.NEGATIVE_INFINITY;
          }
        }
      }
      r.produce(logits, vocabulary);
      if (constraint != null && r.sampler != null) {
        constraint.accept(r.lastToken());
      }
      return null;
    } catch (RuntimeException e) {
      return new EngineException(
          "SAMPLING_FAILED", "the next token could not be chosen: " + e.getMessage(), e);
    }
  }

  private void finish(StepRequest r, int rowsDone, @Nullable RealmException error) {
    boolean done = false;
    lock.lock();
    try {
      Sequence s = r.sequence();
      s.inBatch = false;
      s.lastUsedNanos = System.nanoTime();
      if (error == null) {
        s.cached += rowsDone;
        if (s.cached == r.start + r.count) {
          s.length = s.cached;
          rememberPrefix(s, r.count);
          done = true;
        }
      }
      if (done || error != null) {
        end(r);
      }
    } finally {
      lock.unlock();
    }
    if (error != null) {
      r.fail(error);
    } else if (done) {
      completed++;
      r.complete();
    }
  }

  /// Takes a request out of the queue and its sequence out of its step.
  private void end(StepRequest r) {
    Sequence s = r.sequence();
    s.tenant.waiting.remove(r);
    queued = queued - 1;
    s.stepping = false;
    trim(s);
    if (s.closed) {
      dispose(s);
    }
  }

  /// After a prompt its full blocks can serve the tenant's next prompt.
  private void rememberPrefix(Sequence s, int count) {
    if (count > 1) {
      s.tenant.prefixes.insert(s.tokens, s.blocks, s.cached / config.blockSize());
    }
  }

  private void failAll(RealmException reason) {
    lock.lock();
    try {
      closing = true;
      for (EngineTenant tenant : tenants) {
        while (!tenant.waiting.isEmpty()) {
          StepRequest r = tenant.waiting.getLast();
          r.sequence().inBatch = false;
          end(r);
          r.fail(reason);
        }
      }
    } finally {
      lock.unlock();
    }
  }

  // ---- sequences, for their owners
  // ----------------------------------------------------------------

  int lengthOf(Sequence s) {
    lock.lock();
    try {
      return s.length;
    } finally {
      lock.unlock();
    }
  }

  int[] tokensOf(Sequence s) {
    lock.lock();
    try {
      return Arrays.copyOf(s.tokens, s.length);
    } finally {
      lock.unlock();
    }
  }

  Sequence fork(Sequence s) {
    lock.lock();
    try {
      checkIdle(s);
      int held = s.tenant.kvBlocks + s.blockCount;
      if (held > s.tenant.share().maxKvBlocks()) {
        throw new AdmissionException(
            "KV_LIMIT",
            "%s: at most %d KV blocks, this fork would need %d"
                .formatted(s.tenant, s.tenant.share().maxKvBlocks(), held));
      }
      Sequence copy = newSequence(s.tenant);
      copy.tokens = Arrays.copyOf(s.tokens, s.tokens.length);
      copy.length = s.length;
      copy.cached = s.cached;
      for (int i = 0; i < s.blockCount; i++) {
        pool.retain(s.blocks[i]);
        copy.addBlock(s.blocks[i]);
      }
      s.tenant.kvBlocks += s.blockCount;
      return copy;
    } finally {
      lock.unlock();
    }
  }

  void truncate(Sequence s, int newLength) {
    lock.lock();
    try {
      checkIdle(s);
      if (newLength < 0 || newLength > s.length) {
        throw new IllegalArgumentException(
            "truncate: expected 0 to %d tokens, found %d".formatted(s.length, newLength));
      }
      s.length = newLength;
      trim(s);
      work.signal();
    } finally {
      lock.unlock();
    }
  }

  void close(Sequence s) {
    lock.lock();
    try {
      if (s.closed) {
        return;
      }
      s.closed = true;
      if (s.stepping) {
        for (int i = 0; i < s.tenant.waiting.size(); i++) {
          StepRequest r = s.tenant.waiting.get(i);
          if (r.sequence() == s) {
            r.cancel();
          }
        }
      } else {
        dispose(s);
      }
      work.signal();
    } finally {
      lock.unlock();
    }
  }

  private void dispose(Sequence s) {
    s.tenant.prefixes.insert(s.tokens, s.blocks, s.cached / config.blockSize());
    scheduler.releaseFrom(s, 0);
    s.cached = 0;
    s.tenant.sequences--;
    sequences.remove(s);
  }

  /// Gives back what lies behind the sequence's length.
  private void trim(Sequence s) {
    s.cached = Math.min(s.cached, s.length);
    scheduler.releaseFrom(s, (s.cached + config.blockSize() - 1) / config.blockSize());
  }

  private void checkIdle(Sequence s) {
    if (s.closed) {
      throw new IllegalStateException("the sequence is closed");
    }
    if (s.stepping) {
      throw new IllegalStateException("the sequence has a step in flight");
    }
  }

  private void checkOpen() {
    Throwable t = failure;
    if (t != null) {
      throw new EngineException("ENGINE_FAILURE", "the engine stopped: " + t, t);
    }
    if (closing) {
      throw new EngineException("ENGINE_CLOSED", "the engine was closed");
    }
  }

  /// What it has done and holds.
  public EngineStats stats() {
    lock.lock();
    try {
      int cachedBlocks = 0;
      for (EngineTenant tenant : tenants) {
        cachedBlocks += tenant.prefixes.size();
      }
      return new EngineStats(
          steps,
          rows,
          outputs,
          scheduler.preemptions,
          scheduler.prefixBlocks,
          queued,
          sequences.size(),
          pool.freeBlocks(),
          cachedBlocks,
          pool.blocks());
    } finally {
      lock.unlock();
    }
  }

  /// Stops after the step in flight; what waits fails with `ENGINE_CLOSED`.
  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      work.signal();
    } finally {
      lock.unlock();
    }
    try {
      thread.join(CLOSE_TIMEOUT_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (thread.isAlive()) {
      throw new IllegalStateException(
          "the engine's step did not end within " + CLOSE_TIMEOUT_MILLIS + " ms");
    }
    forwardPass.close();
    kv.close();
  }
}
