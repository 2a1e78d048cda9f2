package ai.realm.engine;

import ai.realm.engine.sampling.Candidates;
import ai.realm.engine.sampling.History;
import ai.realm.engine.sampling.Sampler;
import ai.realm.error.RealmException;
import ai.realm.model.Pooling;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// One sequence's part of a forward step: tokens to append, and what is wanted of the logits behind
/// them. Reusable: a guest's loop fills and submits the same request for each token, so that the loop
/// allocates nothing. Between [Engine#submit] and completion the engine owns it.
///
/// The sampled token is not appended to the sequence; whoever asked for it decides, and passes it to
/// the next step.
public final class StepRequest {
  /// Steps of tiny models end before a parked thread would wake: wait for those without parking.
  private static final long SPIN_NANOS = 200_000;

  /// Where a request stands.
  public enum State {
    /// Not submitted since it was made or reset.
    IDLE,
    /// Waiting for the scheduler, or for the rest of its prompt.
    QUEUED,
    /// The results are there.
    DONE,
    /// It failed; [#error] says why.
    FAILED
  }

  private @Nullable Sequence sequence;
  int[] tokens = new int[0];
  int count;
  @Nullable Sampler sampler;
  @Nullable TokenConstraint constraint;
  int outputs;
  @Nullable EmbeddingPool pool;
  private boolean wantLogprobs;

  private int[] sampled = new int[1];
  private float[] logprobs = new float[1];
  private float @Nullable [] kept;
  private int vocabulary;

  /// Length of the sequence when the request was submitted.
  int start;

  int produced;

  /// The last plan in which there were no blocks for it.
  long blockedInPlan;

  /// Whether it goes on where the sequence's last step ended, with one token.
  boolean decodes;

  /// Whether all rows must be in one step: an encoder's tokens see those after them.
  boolean whole;

  private volatile boolean cancelled;
  private volatile State state = State.IDLE;
  private volatile @Nullable RealmException error;
  private volatile @Nullable Thread waiter;
  private long lastWaitNanos = Long.MAX_VALUE;

  /// Fills the request.
  ///
  /// @param sequence what the tokens are appended to
  /// @param tokens holds the tokens, from index 0
  /// @param count how many, at least 1
  /// @param outputs for how many of the last tokens logits are sampled: 0 for none, 1 for the next
  ///     token, `count` for all of them (speculative decoding, scoring)
  /// @param sampler chooses the tokens; may be null only when `outputs` is 0 or logits are kept
  /// @throws IllegalStateException while the engine owns the request
  public StepRequest set(
      Sequence sequence, int[] tokens, int count, int outputs, @Nullable Sampler sampler) {
    if (state == State.QUEUED) {
      throw new IllegalStateException("the request is in flight");
    }
    if (count < 1 || count > tokens.length) {
      throw new IllegalArgumentException(
          "step: expected 1 to %d tokens, found %d".formatted(tokens.length, count));
    }
    if (outputs < 0 || outputs > count) {
      throw new IllegalArgumentException(
          "step: expected 0 to %d outputs, found %d".formatted(count, outputs));
    }
    this.sequence = sequence;
    this.tokens = tokens;
    this.count = count;
    this.outputs = outputs;
    this.produced = 0;
    this.sampler = sampler;
    this.constraint = null;
    this.kept = null;
    this.pool = null;
    this.wantLogprobs = false;
    this.state = State.IDLE;
    this.error = null;
    this.cancelled = false;
    if (sampled.length < outputs) {
      sampled = new int[outputs];
      logprobs = new float[outputs];
    }
    return this;
  }

  /// What may be sampled; only with one output.
  public StepRequest constrain(@Nullable TokenConstraint constraint) {
    if (constraint != null && outputs != 1) {
      throw new IllegalArgumentException(
          "step: a constraint needs exactly 1 output, found " + outputs);
    }
    this.constraint = constraint;
    return this;
  }

  /// Keeps the logits of the outputs for [#logits].
  ///
  /// @param room where: outputs × vocabulary floats at least. The caller allocates them, so that the
  ///     engine's thread does not, and who asks for much is the one who has it; null keeps none
  public StepRequest keepLogits(float @Nullable [] room) {
    if (state == State.QUEUED) {
      throw new IllegalStateException("the request is in flight");
    }
    this.kept = room;
    return this;
  }

  /// Computes log probabilities of the sampled tokens for [#logprob]; costs a pass over the vocabulary.
  public StepRequest wantLogprobs(boolean want) {
    this.wantLogprobs = want;
    return this;
  }

  /// Makes an embedding of the tokens for [#embedding]; only without outputs. What the tokens leave in the
  /// sequence is what every step leaves; encoders take all tokens of a sequence in one.
  ///
  /// @throws IllegalArgumentException for a pooling that gives no embedding
  public StepRequest embed(Pooling pooling) {
    if (outputs > 0) {
      throw new IllegalArgumentException(
          "step: an embedding needs a request without outputs, found " + outputs);
    }
    this.pool = new EmbeddingPool(pooling);
    return this;
  }

  /// The embedding of a request that is done: of length 1, as wide as the model's hidden state.
  public float[] embedding() {
    EmbeddingPool rows = pool;
    if (rows == null || state != State.DONE) {
      throw new IllegalStateException(
          "the request was not asked for an embedding, or is in state " + state);
    }
    return rows.embedding();
  }

  /// The first position that must be computed whether or not a cache has it: what is wanted of it is no
  /// key or value.
  int firstWanted() {
    return firstWanted(start);
  }

  /// The same for a sequence of length `start`.
  int firstWanted(int start) {
    int end = start + count;
    EmbeddingPool rows = pool;
    return rows == null ? end - outputs + produced : rows.firstWanted(start, end);
  }

  /// Where the request stands.
  public State state() {
    return state;
  }

  /// Length of the sequence when the request was submitted.
  public int start() {
    return start;
  }

  /// Number of outputs of a request that is done, or of one that failed until then.
  public int produced() {
    return produced;
  }

  /// The token sampled for output `i`.
  public int token(int i) {
    return sampled[check(i)];
  }

  /// Natural logarithm of the probability that the logits, with mask and biases, gave to the token of
  /// output `i`; NaN unless [#wantLogprobs] asked for it.
  public float logprob(int i) {
    return logprobs[check(i)];
  }

  /// Copies the kept logits of output `i`, `vocabulary` floats, and returns their number.
  public int logits(int i, float[] to, int offset) {
    float[] room = kept;
    if (room == null) {
      throw new IllegalStateException("the request was not asked to keep logits");
    }
    System.arraycopy(room, check(i) * vocabulary, to, offset, vocabulary);
    return vocabulary;
  }

  /// Why it failed, or null.
  public @Nullable RealmException error() {
    return error;
  }

  /// Asks the engine to give the request up; it ends within one step.
  public void cancel() {
    cancelled = true;
  }

  /// Whether [#await] would first wait without parking, as the request's last step ended so soon: the time
  /// then is the thread's CPU time.
  public boolean isSpinning() {
    return lastWaitNanos < SPIN_NANOS;
  }

  /// Waits for the results until `deadlineNanos` ([System#nanoTime]); past it the request is cancelled.
  ///
  /// @throws EngineException when the step failed, was cancelled or missed the deadline
  /// @throws AdmissionException `KV_LIMIT` when so much was published since it was admitted that it can
  ///     never run
  /// @throws InterruptedException when interrupted; the request is cancelled
  public void await(long deadlineNanos) throws InterruptedException {
    long started = System.nanoTime();
    if (isSpinning()) {
      while (state == State.QUEUED && System.nanoTime() - started < SPIN_NANOS) {
        Thread.onSpinWait();
      }
    }
    waiter = Thread.currentThread();
    try {
      while (state == State.QUEUED) {
        long left = deadlineNanos - System.nanoTime();
        if (left <= 0) {
          cancel();
          throw new EngineException("DEADLINE", "the step did not complete before its deadline");
        }
        LockSupport.parkNanos(this, left);
        if (Thread.interrupted()) {
          cancel();
          throw new InterruptedException("interrupted while waiting for a step");
        }
      }
    } finally {
      waiter = null;
      lastWaitNanos = System.nanoTime() - started;
    }
    RealmException failure = error;
    if (state == State.FAILED && failure != null) {
      throw failure;
    }
    if (state == State.IDLE) {
      throw new IllegalStateException("the request was not submitted");
    }
  }

  /// Waits until the request has ended, `untilNanos` ([System#nanoTime]) is past or the thread is
  /// interrupted, which it stays. The request goes on.
  ///
  /// @return whether it has ended, or was never submitted
  public boolean awaitUntil(long untilNanos) {
    waiter = Thread.currentThread();
    try {
      while (state == State.QUEUED) {
        long left = untilNanos - System.nanoTime();
        if (left <= 0 || Thread.currentThread().isInterrupted()) {
          return false;
        }
        LockSupport.parkNanos(this, left);
      }
      return true;
    } finally {
      waiter = null;
    }
  }

  Sequence sequence() {
    Sequence s = sequence;
    if (s == null) {
      throw new IllegalStateException("the request has not been set");
    }
    return s;
  }

  /// @throws RuntimeException when it cannot be queued as it is
  void checkReady(int vocabulary, boolean generates, int maxRows) {
    if (state != State.IDLE) {
      throw new IllegalStateException("step: the request was not set anew since its last use");
    }
    float[] room = kept;
    if (outputs > 0 && sampler == null && room == null) {
      throw new IllegalArgumentException("step: outputs need a sampler or kept logits");
    }
    if (room != null && room.length < (long) outputs * vocabulary) {
      throw new IllegalArgumentException(
          "step: expected room for %d outputs of %d logits, found %d"
              .formatted(outputs, vocabulary, room.length));
    }
    whole = !generates;
    if (whole) {
      checkWhole(maxRows);
    }
    for (int i = 0; i < count; i++) {
      if (tokens[i] < 0 || tokens[i] >= vocabulary) {
        throw new IllegalArgumentException(
            "step: expected token ids below %d, found %d at index %d"
                .formatted(vocabulary, tokens[i], i));
      }
    }
  }

  private void checkWhole(int maxRows) {
    if (pool == null || sequence().length > 0) {
      throw new IllegalArgumentException(
          "step: the model is an encoder, which only embeds a whole sequence at once");
    }
    if (count > maxRows) {
      throw new AdmissionException(
          "CONTEXT_FULL",
          "encoder: at most %d tokens in one step, found %d".formatted(maxRows, count));
    }
  }

  boolean isCancelled() {
    return cancelled;
  }

  void submitted(int start) {
    this.start = start;
    this.produced = 0;
    if (pool != null) {
      pool.begin(start);
    }
    state = State.QUEUED;
  }

  /// Called by the engine thread for each output row, in order.
  ///
  /// @param candidates memory to choose with
  void produce(float[] row, int vocabulary, Candidates candidates) {
    this.vocabulary = vocabulary;
    float[] room = kept;
    if (room != null) {
      System.arraycopy(row, 0, room, produced * vocabulary, vocabulary);
    }
    Sampler chooser = sampler;
    if (chooser != null) {
      Sequence s = sequence();
      int place = start + count - outputs + produced + 1;
      History history = s.history.show(s.tokens, place);
      sampled[produced] = chooser.sample(row, vocabulary, history, candidates);
      logprobs[produced] =
          wantLogprobs ? Sampler.logprob(row, vocabulary, sampled[produced]) : Float.NaN;
    }
    produced++;
  }

  /// The token sampled last.
  int lastToken() {
    return sampled[produced - 1];
  }

  void complete() {
    state = State.DONE;
    wake();
  }

  void fail(RealmException reason) {
    error = reason;
    state = State.FAILED;
    wake();
  }

  private void wake() {
    Thread thread = waiter;
    if (thread != null) {
      LockSupport.unpark(thread);
    }
  }

  private int check(int i) {
    if (state != State.DONE || i < 0 || i >= produced) {
      throw new IllegalArgumentException(
          "step: expected an output below %d of a completed request, found %d in state %s"
              .formatted(produced, i, state));
    }
    return i;
  }
}
