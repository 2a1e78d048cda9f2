package ai.realm.engine;

import ai.realm.compute.Adapter;
import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.engine.sampling.Candidates;
import ai.realm.error.RealmException;
import ai.realm.model.CausalLm;
import ai.realm.model.ForwardPass;
import java.time.Duration;
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
  /// 50 µs, so the engine looks for them this long before it parks, and longer where a step takes long and
  /// they usually do.
  private static final long SPIN_NANOS = 100_000;

  /// The most time that a step waits for sequences of the last one, so that they stay batched.
  private static final long MAX_GATHER_NANOS = 1_000_000;

  private final CausalLm model;
  private final Backend backend;
  private final EngineConfig config;
  private final KvStore kv;
  private final ForwardPass forwardPass;
  private final Batch batch;
  private final int vocabulary;
  private final float[] logits;
  private final float[] hidden;
  private final long[] allowed;
  private final Candidates candidates = new Candidates();
  private final Thread thread;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition work = lock.newCondition();
  private final EngineState state;
  private final SequenceCalls calls;
  private long steps;
  private long rows;
  private long outputs;
  private boolean closing;
  private volatile @Nullable Throwable failure;

  // Of the engine thread:
  private int completed;
  private long stepEndNanos;
  private long stepNanos;

  /// Of the last step, without the choice of tokens; 0 once the scheduler has it.
  private long forwardNanos;

  private Engine(CausalLm model, Backend backend, EngineConfig config) {
    this.model = model;
    this.backend = backend;
    this.config = config;
    this.vocabulary = model.config().vocabularySize();
    this.kv = backend.kvStore(model.kvLayout(config.blockSize(), config.kvType()), config.blocks());
    this.forwardPass = model.newForwardPass(config.maxRows(), config.maxSequences());
    this.state = new EngineState(config, kv, model.config(), System::nanoTime);
    this.calls = new SequenceCalls(this, lock, work, state, kv);
    this.batch = new Batch(config.maxRows(), config.maxSequences());
    this.logits = new float[vocabulary];
    this.hidden = new float[model.config().embeddingLength()];
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
      return state.tenant(name, share);
    } finally {
      lock.unlock();
    }
  }

  /// Changes a tenant's part. Weight and priority count from the next step that is planned. Lower bounds are
  /// for what begins from now on: sequences that are open, and forks of theirs, may go on under those that
  /// they were opened with, and what is queued stays queued.
  ///
  /// @throws IllegalArgumentException when the tenant is not registered
  public void update(EngineTenant tenant, TenantShare share) {
    lock.lock();
    try {
      state.update(tenant, share);
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
      state.remove(tenant);
    } finally {
      lock.unlock();
    }
  }

  /// Opens an empty sequence.
  ///
  /// @throws AdmissionException `SEQUENCE_LIMIT` when the tenant may open no more
  public Sequence newSequence(EngineTenant tenant) {
    return newSequence(tenant, null);
  }

  /// Opens an empty sequence that is computed with an adapter of this model, such as LoRA. Sequences
  /// with different adapters and without share the steps; cached prompts are found again only with the
  /// adapter that they were computed with. The adapter must outlive the sequence.
  ///
  /// @param adapter what [ai.realm.model.CausalLm#loadAdapter] gave for this engine's model; null for
  ///     none
  /// @throws AdmissionException `SEQUENCE_LIMIT` when the tenant may open no more
  public Sequence newSequence(EngineTenant tenant, @Nullable Adapter adapter) {
    return calls.open(tenant, adapter);
  }

  /// Opens a sequence with the tokens, keys and values of a saved one. What finds no free blocks is computed
  /// again by its next step.
  ///
  /// @param adapter the one that it was computed with; null for none
  /// @throws AdmissionException `SEQUENCE_LIMIT`, `KV_LIMIT` or `CONTEXT_FULL`
  /// @throws IllegalArgumentException when it does not fit this model's layout or vocabulary
  public Sequence openSequence(
      EngineTenant tenant, @Nullable Adapter adapter, SavedSequence saved) {
    return calls.open(tenant, adapter, saved);
  }

  /// Computes the begin of a prompt, such as a system prompt, and lets every tenant reuse its full blocks:
  /// without this no tenant finds what another computed. What tenants are charged does not change.
  ///
  /// @param adapter the one that sequences must have to find it; null for none
  /// @param deadlineNanos until when to wait, by [System#nanoTime]
  /// @throws AdmissionException `PUBLISHED_LIMIT` where more than half of the blocks would be published, or
  ///     as for any step
  /// @throws EngineException when the step failed or missed the deadline
  /// @throws InterruptedException when interrupted: nothing is published
  public PublishedPrefix publish(@Nullable Adapter adapter, int[] tokens, long deadlineNanos)
      throws InterruptedException {
    EngineTenant publisher = calls.publisher(tokens.length);
    try (Sequence s = newSequence(publisher, adapter)) {
      StepRequest request = new StepRequest().set(s, tokens.clone(), tokens.length, 0, null);
      submit(request);
      request.await(deadlineNanos);
      return calls.publish(s, tokens.length);
    }
  }

  /// How the KV blocks are laid out.
  public KvLayout kvLayout() {
    return kv.layout();
  }

  /// Queues a step; it runs as soon as the scheduler finds it a place, with those of other callers.
  ///
  /// @throws AdmissionException `QUEUE_FULL`, `CONTEXT_FULL` or `KV_LIMIT`: nothing was queued
  public void submit(StepRequest request) {
    lock.lock();
    try {
      checkOpen();
      state.submit(request);
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
      checkOpen();
      for (int i = 0; i < requests.size(); i++) {
        for (int j = 0; j < i; j++) {
          if (requests.get(j).sequence() == requests.get(i).sequence()) {
            throw new IllegalArgumentException(
                "step: expected distinct sequences, found the same at %d and %d".formatted(j, i));
          }
        }
      }
      state.submit(requests);
      work.signal();
    } finally {
      lock.unlock();
    }
  }

  // ---- the engine thread ------------------------------------------------------------------------

  private void run() {
    try {
      do {
        gather();
      } while (plan() && step());
      stop(new EngineException("ENGINE_CLOSED", "the engine was closed"));
    } catch (Throwable t) {
      failure = t;
      stop(new EngineException("ENGINE_FAILURE", "the engine stopped: " + t, t));
      throw t;
    }
  }

  /// Waits a moment, without parking, for the callers whose step just ended. Where only prompts wait besides,
  /// it waits as long as those callers usually take, half a step at most: a step without them would be one
  /// that they wait for, for the sake of prompts that last many steps anyway (anticipatory scheduling, Iyer
  /// and Druschel 2001).
  private void gather() {
    if (completed == 0) {
      return;
    }
    long gatherUntil = stepEndNanos + Math.clamp(stepNanos / 16, SPIN_NANOS / 2, MAX_GATHER_NANOS);
    long usual = Math.min(state.returnNanos, MAX_GATHER_NANOS);
    long decodersUntil = Math.max(gatherUntil, stepEndNanos + Math.min(usual, stepNanos / 2));
    long spinUntil = stepEndNanos + Math.max(SPIN_NANOS, Math.min(usual, stepNanos / 16));
    while (state.cameBack.get() < completed) {
      int n = state.queued.get();
      long now = System.nanoTime();
      long until = state.decoding.get() > 0 ? gatherUntil : decodersUntil;
      if ((n > 0 && now > until) || (n == 0 && now > spinUntil)) {
        return;
      }
      Thread.onSpinWait();
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
        if (forwardNanos > 0) {
          state.scheduler.measured(batch.rows(), forwardNanos);
          forwardNanos = 0;
        }
        state.dropHopeless();
        if (state.queued.get() > 0) {
          state.plan(batch);
          if (batch.rows() > 0) {
            backend.keepFree(state.scheduler.sparedPart());
            return true;
          }
        }
        // Nothing to do, or no blocks for what waits: until a signal, looking again for idle
        // sequences.
        long millis = state.queued.get() > 0 ? 5 : 1000;
        work.awaitNanos(TimeUnit.MILLISECONDS.toNanos(millis));
      }
    } catch (InterruptedException e) {
      return false;
    } finally {
      lock.unlock();
    }
  }

  /// Runs the planned step. Always true.
  private boolean step() {
    long started = System.nanoTime();
    RealmException failed = null;
    Buffer results = null;
    try {
      results = forwardPass.forward(batch, kv);
    } catch (Throwable t) {
      failed = new EngineException("ENGINE_FAILURE", "the forward step failed: " + t, t);
    }
    forwardNanos = System.nanoTime() - started;
    // Before anybody is told, so that who has waited for a step finds it counted.
    lock.lock();
    try {
      steps++;
      rows += batch.rows();
      outputs += batch.outputs();
    } finally {
      lock.unlock();
    }
    completed = 0;
    state.returnNanos = 0;
    state.cameBack.set(0);
    int row = 0;
    for (int i = 0; i < state.scheduler.planned.size(); i++) {
      StepRequest r = state.scheduler.planned.get(i);
      RealmException error = failed;
      int last = batch.firstRow(i) + batch.rows(i);
      int firstOutput = row;
      long begun = System.nanoTime();
      while (row < batch.outputs() && batch.outputRows()[row] < last) {
        if (error == null && results != null) {
          error = sample(r, results, row);
        }
        row++;
      }
      EmbeddingPool pool = r.pool;
      if (error == null && pool != null) {
        error = pool(r, pool, i);
      }
      finish(r, batch.rows(i), row - firstOutput, System.nanoTime() - begun, error);
    }
    stepEndNanos = System.nanoTime();
    stepNanos = stepEndNanos - started;
    return true;
  }

  /// Hands the hidden states of a request's rows to its embedding.
  private @Nullable RealmException pool(StepRequest r, EmbeddingPool pool, int s) {
    int width = hidden.length;
    int end = r.start + r.count;
    int from = batch.firstPosition(s);
    int to = from + batch.rows(s);
    while (from < to && !pool.wants(from, r.start, end)) {
      from++;
    }
    while (from < to && !pool.wants(to - 1, r.start, end)) {
      to--;
    }
    if (from == to) {
      return null;
    }
    try {
      int row = batch.firstRow(s) + from - batch.firstPosition(s);
      Buffer states = forwardPass.hidden(row, to - from);
      for (int i = 0; i < to - from; i++) {
        backend.read(states, (long) i * width, hidden, 0, width);
        pool.add(from + i, hidden, width);
      }
      return null;
    } catch (Throwable t) {
      return new EngineException("ENGINE_FAILURE", "the embedding could not be made: " + t, t);
    }
  }

  private @Nullable RealmException sample(StepRequest r, Buffer results, int row) {
    try {
      backend.read(results, (long) row * vocabulary, logits, 0, vocabulary);
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
      r.produce(logits, vocabulary, candidates);
      if (constraint != null && r.sampler != null) {
        constraint.accept(r.lastToken());
      }
      return null;
    } catch (RuntimeException e) {
      return new EngineException(
          "SAMPLING_FAILED", "the next token could not be chosen: " + e.getMessage(), e);
    } catch (Error e) {
      return new EngineException("SAMPLING_FAILED", "the next token could not be chosen: " + e, e);
    }
  }

  /// Accounts for a request's part of the step and wakes who waits for it when it is done.
  ///
  /// @param sampleNanos what its outputs took, of which there were so many
  private void finish(
      StepRequest r,
      int rowsDone,
      int rowsSampled,
      long sampleNanos,
      @Nullable RealmException error) {
    boolean done;
    boolean waitsForIt = r.outputs > 0;
    lock.lock();
    try {
      state.scheduler.sampled(r.sequence().tenant, rowsSampled, sampleNanos);
      done = state.finish(r, rowsDone, error);
    } finally {
      lock.unlock();
    }
    if (error != null) {
      r.fail(error);
    } else if (done) {
      completed += waitsForIt ? 1 : 0;
      r.complete();
    }
  }

  private void stop(RealmException reason) {
    lock.lock();
    try {
      closing = true;
      state.failAll(reason);
    } finally {
      lock.unlock();
    }
  }

  /// Under the lock: fails once the engine was closed or has stopped.
  void checkOpen() {
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
      return state.stats(steps, rows, outputs);
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
    if (!joined()) {
      throw new IllegalStateException(
          "the engine's step did not end within " + CLOSE_TIMEOUT_MILLIS + " ms");
    }
    forwardPass.close();
    kv.close();
  }

  /// Waits for the engine's thread; whether it has ended. An interrupt does not shorten the wait, and is kept.
  private boolean joined() {
    boolean interrupted = false;
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(CLOSE_TIMEOUT_MILLIS);
    try {
      while (true) {
        try {
          return thread.join(Duration.ofNanos(Math.max(0, until - System.nanoTime())));
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
