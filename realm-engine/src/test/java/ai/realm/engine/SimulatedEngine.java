package ai.realm.engine;

import ai.realm.compute.Batch;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.model.ModelConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/// The real scheduler on a clock of its own: each step takes a fixed time plus a fixed time per row, so
/// that schedules are exact and a minute of traffic takes milliseconds.
final class SimulatedEngine {
  static final long STEP_NANOS = 5_000_000;
  static final long ROW_NANOS = 200_000;

  final EngineConfig config;
  final EngineState state;
  private final Batch batch;
  private final List<Client> clients = new ArrayList<>();
  private long now;
  private long stepNanos = STEP_NANOS;
  private long rowNanos = ROW_NANOS;
  private final Map<EngineTenant, Long> sampleNanos = new HashMap<>();
  int steps;
  private long delay;
  private int idle;

  /// Steps of 256 rows and 16 sequences over 4096 blocks of 16 positions; up to 4096 requests wait.
  static EngineConfig.Builder sizes() {
    return EngineConfig.builder()
        .maxRows(256)
        .maxSequences(16)
        .blockSize(16)
        .kvPositions(16 * 4096)
        .kvType(KvType.F32)
        .maxQueuedRequests(4096);
  }

  /// The time that has passed.
  long nanos() {
    return now;
  }

  /// How often nothing was planned though something waited.
  int idleWhileSomethingWaited() {
    return idle;
  }

  SimulatedEngine(EngineConfig config, int contextLength) {
    this.config = config;
    this.state =
        new EngineState(
            config,
            new FakeModel.FakeKv(
                new KvLayout(1, 1, 1, 1, config.blockSize(), KvType.F32), config.blocks()),
            new ModelConfig("fake", FakeModel.VOCABULARY, contextLength),
            () -> now);
    this.batch = new Batch(config.maxRows(), config.maxSequences());
  }

  /// What a step takes from now on, and each of its rows besides.
  void takes(long stepNanos, long rowNanos) {
    this.stepNanos = stepNanos;
    this.rowNanos = rowNanos;
  }

  /// What choosing one token of a tenant takes on the engine's thread, after the step.
  void choosing(EngineTenant tenant, long nanos) {
    sampleNanos.put(tenant, nanos);
  }

  /// The next step is held back by so much.
  void delayNext(long nanos) {
    delay = nanos;
  }

  /// A caller that asks, takes its tokens one by one, rests, and asks again.
  final class Client {
    final EngineTenant tenant;
    final int promptLength;
    final int newTokens;
    final long restNanos;
    final int seed;
    final List<Long> firstTokenNanos = new ArrayList<>();
    final List<Long> interTokenNanos = new ArrayList<>();
    int rejections;
    int answers;
    private long wakeAt;
    private long askedAt;
    private long lastTokenAt;
    private int tokensLeft;
    private Sequence sequence;
    private final StepRequest request = new StepRequest();
    private boolean waiting;
    private boolean left;
    private boolean allOutputs;
    private long thinkNanos;

    /// Asks for a token behind every token of its prompts.
    Client wantsAllOutputs() {
      allOutputs = true;
      return this;
    }

    /// Takes so long from a token to the step after it.
    Client thinks(long nanos) {
      thinkNanos = nanos;
      return this;
    }

    Client(EngineTenant tenant, int promptLength, int newTokens, long restNanos, int seed) {
      this.tenant = tenant;
      this.promptLength = promptLength;
      this.newTokens = newTokens;
      this.restNanos = restNanos;
      this.seed = seed;
      this.wakeAt = seed * 997L * 1000;
    }

    private void act() {
      if (waiting || now < wakeAt) {
        return;
      }
      if (left) {
        if (sequence != null) {
          state.close(sequence);
          sequence = null;
        }
        return;
      }
      try {
        if (sequence == null) {
          askedAt = now;
          sequence = state.newSequence(null, tenant, null);
          int[] prompt = new int[promptLength];
          SplittableRandom random = new SplittableRandom(seed * 1_000_003L + answers);
          Arrays.setAll(prompt, i -> random.nextInt(FakeModel.VOCABULARY));
          send(prompt);
          tokensLeft = newTokens;
        } else {
          send(new int[] {1});
        }
        waiting = true;
      } catch (AdmissionException e) {
        rejections++;
        wakeAt = now + 100_000_000;
        if (sequence != null) {
          state.close(sequence);
          sequence = null;
        }
      }
    }

    private void send(int[] tokens) {
      int outputs = allOutputs ? tokens.length : 1;
      request.set(sequence, tokens, tokens.length, outputs, Sampler.of(SamplingParams.GREEDY));
      state.submit(request);
    }

    /// Asks nothing more once what it waits for is there.
    private void leave() {
      left = true;
    }

    private void answered() {
      waiting = false;
      if (tokensLeft == newTokens) {
        firstTokenNanos.add(now - askedAt);
      } else {
        interTokenNanos.add(now - lastTokenAt);
      }
      lastTokenAt = now;
      wakeAt = now + thinkNanos;
      if (--tokensLeft == 0) {
        answers++;
        state.close(sequence);
        sequence = null;
        wakeAt = now + restNanos;
      }
    }
  }

  Client client(EngineTenant tenant, int promptLength, int newTokens, long restNanos) {
    Client c = new Client(tenant, promptLength, newTokens, restNanos, clients.size());
    clients.add(c);
    return c;
  }

  /// Sends a prompt of a tenant, beside whatever the clients do, and returns after how long its first token
  /// came.
  long ask(EngineTenant tenant, int[] prompt) {
    Sequence s = state.newSequence(null, tenant, null);
    StepRequest request = new StepRequest();
    request.set(s, prompt, prompt.length, 1, Sampler.of(SamplingParams.GREEDY));
    long asked = now;
    state.submit(request);
    while (true) {
      boolean answered = step(request);
      if (answered) {
        long nanos = now - asked;
        state.close(s);
        return nanos;
      }
    }
  }

  /// Sends a prompt beside whatever the clients do.
  StepRequest send(EngineTenant tenant, int[] prompt) {
    StepRequest request = new StepRequest();
    request.set(
        state.newSequence(null, tenant, null),
        prompt,
        prompt.length,
        1,
        Sampler.of(SamplingParams.GREEDY));
    state.submit(request);
    return request;
  }

  /// Takes up to so many steps; whether a request ends in them.
  boolean settles(StepRequest request, int most) {
    for (int i = 0; i < most && request.state() == StepRequest.State.QUEUED; i++) {
      step(null);
    }
    return request.state() != StepRequest.State.QUEUED;
  }

  /// Runs the traffic for `seconds` of simulated time.
  void run(double seconds) {
    long end = (long) (seconds * 1e9);
    while (now < end) {
      step(null);
    }
  }

  /// Plans and takes one step.
  void step() {
    step(null);
  }

  /// Plans and takes one step; whether it finished the request.
  private boolean step(@Nullable StepRequest asked) {
    // In turns, so that nobody is always the first to find a free place.
    steps++;
    for (int i = 0; i < clients.size(); i++) {
      clients.get((i + steps) % clients.size()).act();
    }
    state.dropHopeless();
    state.plan(batch);
    if (batch.rows() == 0) {
      idle += state.queued.get() > 0 ? 1 : 0;
      now += 1_000_000;
      return false;
    }
    long forward = stepNanos + rowNanos * batch.rows() + delay;
    delay = 0;
    now += forward + choose();
    state.scheduler.measured(batch.rows(), forward);
    boolean finished = false;
    for (int i = 0; i < state.scheduler.planned.size(); i++) {
      StepRequest r = state.scheduler.planned.get(i);
      if (state.finish(r, batch.rows(i), null)) {
        finished |= r == asked;
        r.complete();
        for (Client c : clients) {
          if (c.request == r) {
            c.answered();
          }
        }
      }
    }
    return finished;
  }

  /// The time that the choice of the step's tokens takes, accounted for as the engine does.
  private long choose() {
    long total = 0;
    int row = 0;
    for (int i = 0; i < state.scheduler.planned.size(); i++) {
      EngineTenant tenant = state.scheduler.planned.get(i).sequence().tenant;
      int first = row;
      int last = batch.firstRow(i) + batch.rows(i);
      while (row < batch.outputs() && batch.outputRows()[row] < last) {
        row++;
      }
      long nanos = (row - first) * sampleNanos.getOrDefault(tenant, 0L);
      state.scheduler.sampled(tenant, row - first, nanos);
      total += nanos;
    }
    return total;
  }

  /// No more traffic.
  void stopAll() {
    stop(clients);
  }

  /// No more traffic of these.
  void stop(List<Client> leaving) {
    for (Client c : leaving) {
      c.leave();
    }
  }

  static double p99(List<Long> nanos) {
    return p99(nanos.stream().mapToLong(Long::longValue).toArray());
  }

  static double p99(long[] nanos) {
    long[] sorted = Arrays.stream(nanos).sorted().toArray();
    return sorted[(int) Math.ceil(sorted.length * 0.99) - 1];
  }
}
