package ai.realm.engine;

import static ai.realm.engine.GreedySteps.prompt;
import static ai.realm.engine.GreedySteps.request;
import static ai.realm.engine.GreedySteps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Adapter;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
final class EngineTest {
  private static final long SECOND = 1_000_000_000L;

  private static EngineConfig config(int maxRows, int maxSequences, int blockSize, int blocks) {
    return FakeModel.sizes(maxRows, maxSequences, blockSize, blocks).build();
  }

  private static Engine start(FakeModel model, EngineConfig config) {
    return Engine.start(model, model.backend, config);
  }

  /// The loop that a guest runs.
  private static int[] generate(Engine engine, Sequence s, int[] prompt, int n)
      throws InterruptedException {
    int[] out = new int[n];
    int token = step(engine, s, prompt);
    for (int i = 0; i < n; i++) {
      out[i] = token;
      if (i + 1 < n) {
        token = step(engine, s, token);
      }
    }
    return out;
  }

  private static int[] expected(int[] prompt, int n) {
    int[] all = Arrays.copyOf(prompt, prompt.length + n);
    for (int i = 0; i < n; i++) {
      all[prompt.length + i] = FakeModel.next(all, prompt.length + i);
    }
    return Arrays.copyOfRange(all, prompt.length, all.length);
  }

  @Test
  void continuesAPromptThatTakesSeveralSteps() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(16, 4, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] prompt = prompt(1, 53);
      try (Sequence s = engine.newSequence(tenant)) {
        assertThat(generate(engine, s, prompt, 20)).isEqualTo(expected(prompt, 20));
        assertThat(s.length()).isEqualTo(53 + 19);
      }
      assertThat(model.steps.getFirst()).containsExactly(16);
    }
  }

  @Test
  void outputTogetherWithStrangersEqualsOutputAlone() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(32, 8, 8, 400));
        ExecutorService callers = Executors.newFixedThreadPool(8)) {
      List<Future<int[]>> results = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        int seed = i;
        EngineTenant tenant = engine.tenant("t" + i, TenantShare.UNBOUNDED);
        Callable<int[]> loop =
            () -> {
              try (Sequence s = engine.newSequence(tenant)) {
                return generate(engine, s, prompt(seed, 10 + 13 * seed), 40);
              }
            };
        results.add(callers.submit(loop));
      }
      for (int i = 0; i < 8; i++) {
        assertThat(results.get(i).get(30, TimeUnit.SECONDS))
            .isEqualTo(expected(prompt(i, 10 + 13 * i), 40));
      }
      assertThat(engine.stats().openSequences()).isZero();
    }
  }

  private static int[] adapted(int[] prompt, int n, int shift) {
    int[] all = Arrays.copyOf(prompt, prompt.length + n);
    for (int i = 0; i < n; i++) {
      int length = prompt.length + i;
      int[] seen = Arrays.stream(all, 0, length).map(token -> token + shift).toArray();
      all[length] = FakeModel.next(seen, length);
    }
    return Arrays.copyOfRange(all, prompt.length, all.length);
  }

  @Test
  void sequencesWithAndWithoutAdaptersShareNoCachedPrompts() throws Exception {
    FakeModel model = new FakeModel(1000);
    Adapter first = new FakeModel.FakeAdapter("first", 100);
    Adapter second = new FakeModel.FakeAdapter("second", 200);
    int[] prompt = prompt(3, 40);
    try (Engine engine = start(model, config(16, 4, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      for (int round = 0; round < 2; round++) {
        try (Sequence plain = engine.newSequence(tenant);
            Sequence one = engine.newSequence(tenant, first);
            Sequence two = engine.newSequence(tenant, second)) {
          assertThat(generate(engine, one, prompt, 9)).isEqualTo(adapted(prompt, 9, 100));
          assertThat(generate(engine, plain, prompt, 9)).isEqualTo(expected(prompt, 9));
          assertThat(generate(engine, two, prompt, 9)).isEqualTo(adapted(prompt, 9, 200));
          try (Sequence fork = one.fork()) {
            int[] so = one.tokens();
            int[] next = Arrays.copyOf(so, so.length + 1);
            next[so.length] = 5;
            assertThat(step(engine, fork, 5)).isEqualTo(adapted(next, 1, 100)[0]);
          }
        }
      }
      assertThat(engine.stats().prefixBlocks()).isEqualTo(3 * 4);
      engine.remove(tenant);
      assertThat(engine.stats().cachedBlocks()).isZero();
    }
  }

  @Test
  void aForkSharesBlocksUntilEitherWrites() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(64, 8, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] prompt = prompt(3, 21);
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, prompt);
        int free = engine.stats().freeBlocks();
        try (Sequence fork = s.fork()) {
          assertThat(engine.stats().freeBlocks()).isEqualTo(free);
          assertThat(fork.tokens()).isEqualTo(prompt);
          int[] left = Arrays.copyOf(prompt, 22);
          left[21] = 5;
          int[] right = Arrays.copyOf(prompt, 22);
          right[21] = 6;
          assertThat(step(engine, s, 5)).isEqualTo(FakeModel.next(left, 22));
          assertThat(step(engine, fork, 6)).isEqualTo(FakeModel.next(right, 22));
          assertThat(engine.stats().freeBlocks()).isEqualTo(free - 1);
        }
      }
    }
  }

  @Test
  void truncationForgetsTokens() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(64, 8, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] prompt = prompt(4, 30);
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, prompt);
        s.truncate(13);
        int[] rest = Arrays.copyOf(prompt, 14);
        rest[13] = 77;
        assertThat(step(engine, s, 77)).isEqualTo(FakeModel.next(rest, 14));
        assertThat(s.tokens()).isEqualTo(rest);
        assertThatThrownBy(() -> s.truncate(15))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("0 to 14");
      }
    }
  }

  @Test
  void samplesAllRowsForSpeculativeDecoding() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(4, 8, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] ids = prompt(9, 11);
      try (Sequence s = engine.newSequence(tenant)) {
        StepRequest r = new StepRequest().set(s, ids, 11, 11, Sampler.of(SamplingParams.GREEDY));
        r.keepLogits(new float[11 * FakeModel.VOCABULARY]);
        engine.submit(r);
        r.await(System.nanoTime() + SECOND);
        assertThat(r.produced()).isEqualTo(11);
        float[] logits = new float[FakeModel.VOCABULARY];
        for (int i = 0; i < 11; i++) {
          int next = FakeModel.next(ids, i + 1);
          assertThat(r.token(i)).isEqualTo(next);
          r.logits(i, logits, 0);
          assertThat(logits[next]).isEqualTo(10f);
        }
      }
    }
  }

  @Test
  void logitsAreKeptOnlyWhereTheCallerHasRoomForThem() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(64, 8, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] ids = prompt(9, 11);
      try (Sequence s = engine.newSequence(tenant)) {
        StepRequest r = new StepRequest().set(s, ids, 11, 11, Sampler.of(SamplingParams.GREEDY));
        r.keepLogits(new float[11 * FakeModel.VOCABULARY - 1]);
        assertThatThrownBy(() -> engine.submit(r))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("expected room for 11 outputs of 100 logits, found 1099");
        assertThat(engine.isAlive()).isTrue();
        assertThat(step(engine, s, ids)).isEqualTo(FakeModel.next(ids, 11));
      }
    }
  }

  @Test
  void takesBlocksOfIdleSequencesAndComputesThemAgain() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(64, 8, 8, 10))) {
      EngineTenant a = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant b = engine.tenant("b", TenantShare.UNBOUNDED);
      int[] first = prompt(5, 60);
      int[] second = prompt(6, 61);
      try (Sequence s = engine.newSequence(a);
          Sequence t = engine.newSequence(b)) {
        assertThat(step(engine, s, first)).isEqualTo(FakeModel.next(first, 60));
        assertThat(step(engine, t, second)).isEqualTo(FakeModel.next(second, 61));
        int[] more = Arrays.copyOf(first, 61);
        more[60] = 1;
        assertThat(step(engine, s, 1)).isEqualTo(FakeModel.next(more, 61));
        assertThat(engine.stats().preemptions()).isGreaterThanOrEqualTo(1);
      }
    }
  }

  @Test
  void findsAPromptsBlocksAgainForTheSameTenantOnly() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(64, 8, 8, 100))) {
      EngineTenant a = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant b = engine.tenant("b", TenantShare.UNBOUNDED);
      int[] prompt = prompt(7, 40);
      for (EngineTenant tenant : List.of(a, b, a)) {
        try (Sequence s = engine.newSequence(tenant)) {
          assertThat(step(engine, s, prompt)).isEqualTo(FakeModel.next(prompt, 40));
        }
      }
      List<Integer> rows = model.steps.stream().map(s -> s[0]).toList();
      assertThat(rows).containsExactly(40, 40, 8);
      assertThat(engine.stats().prefixBlocks()).isEqualTo(4);
    }
  }

  @Test
  void computesEveryOutputThatIsAskedForEvenWhereAnEarlierPromptsBlocksWouldDo() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(64, 8, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] prompt = prompt(7, 40);
      for (int outputs : new int[] {1, 40, 12}) {
        try (Sequence s = engine.newSequence(tenant)) {
          StepRequest r =
              new StepRequest().set(s, prompt, 40, outputs, Sampler.of(SamplingParams.GREEDY));
          engine.submit(r);
          r.await(System.nanoTime() + 10 * SECOND);
          for (int i = 0; i < outputs; i++) {
            int length = 40 - outputs + i + 1;
            assertThat(r.token(i)).isEqualTo(FakeModel.next(prompt, length));
          }
        }
      }
      assertThat(model.steps.stream().map(s -> s[0])).containsExactly(40, 40, 16);
    }
  }

  @Test
  void zeroesABlockThatChangesTenants() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, config(64, 8, 8, 4))) {
      EngineTenant a = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant b = engine.tenant("b", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(a)) {
        step(engine, s, prompt(1, 30));
      }
      try (Sequence s = engine.newSequence(b)) {
        step(engine, s, prompt(2, 30));
      }
      assertThat(model.backend.kv).isNotNull();
      assertThat(model.backend.kv.cleared).isEqualTo(4);
    }
  }

  @Test
  void refusesWhatExceedsALimitBeforeAllocating() {
    FakeModel model = new FakeModel(50);
    try (Engine engine = start(model, config(64, 8, 8, 4))) {
      EngineTenant small = engine.tenant("small", new TenantShare(1, 1, 2, 1));
      Sequence s = engine.newSequence(small);
      assertThatThrownBy(() -> engine.newSequence(small))
          .isInstanceOf(AdmissionException.class)
          .hasMessageContaining("at most 1 open sequences");
      assertThatThrownBy(() -> step(engine, s, prompt(1, 17)))
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"));
      assertThatThrownBy(() -> step(engine, s, prompt(1, 51)))
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("CONTEXT_FULL"));
      assertThatThrownBy(() -> step(engine, s, FakeModel.VOCABULARY))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("token ids below 100");
      assertThat(engine.stats().freeBlocks()).isEqualTo(4);
      s.close();
    }
  }

  @Test
  void boundsTheQueue() throws Exception {
    FakeModel model = new FakeModel(1000);
    model.nanosPerRow = 5_000_000;
    try (Engine engine = start(model, config(4, 1, 8, 100))) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 10, 100, 2));
      List<Sequence> open = new ArrayList<>();
      List<StepRequest> sent = new ArrayList<>();
      AtomicInteger room = new AtomicInteger();
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 5; i++) {
                  Sequence s = engine.newSequence(tenant);
                  open.add(s);
                  room.set(s.tokens.length);
                  StepRequest r = request(s, prompt(i, 90));
                  engine.submit(r);
                  sent.add(r);
                }
              })
          .isInstanceOfSatisfying(
              AdmissionException.class,
              e -> {
                assertThat(e.code()).isEqualTo("QUEUE_FULL");
                assertThat(e.retryAfter()).isPositive();
              });
      assertThat(open.getLast().tokens.length).as("nothing was copied").isEqualTo(room.get());
      assertThat(room.get()).isLessThan(90);
      assertThat(sent.size()).isBetween(2, 4);
      for (StepRequest r : sent) {
        r.await(System.nanoTime() + 10 * SECOND);
      }
      open.forEach(Sequence::close);
      assertThat(engine.stats().queued()).isZero();
    }
  }

  @Test
  void aCancelledPromptEndsWithinAStepAndGivesItsBlocksBack() throws Exception {
    FakeModel model = new FakeModel(10_000);
    model.nanosPerRow = 2_000_000;
    try (Engine engine = start(model, config(8, 4, 8, 1000))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      Sequence s = engine.newSequence(tenant);
      StepRequest r = request(s, prompt(1, 5000));
      engine.submit(r);
      long deadline = System.nanoTime() + 5 * SECOND;
      while (engine.stats().steps() < 2 && System.nanoTime() < deadline) {
        Thread.onSpinWait();
      }
      long before = engine.stats().steps();
      r.cancel();
      assertThatThrownBy(() -> r.await(System.nanoTime() + 5 * SECOND))
          .isInstanceOfSatisfying(
              EngineException.class, e -> assertThat(e.code()).isEqualTo("CANCELLED"));
      // The step in flight, and one that was planned meanwhile; the prompt would take 600 more.
      assertThat(engine.stats().steps()).isLessThanOrEqualTo(before + 2);
      assertThat(s.length()).isZero();
      assertThat(engine.stats().freeBlocks()).isEqualTo(1000);
      s.close();
    }
  }

  @Test
  void aFailedStepFailsItsRequestsAndTheEngineGoesOn() throws Exception {
    FakeModel model = new FakeModel(100);
    try (Engine engine = start(model, config(8, 4, 8, 10))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(tenant)) {
        model.failNext = new IllegalStateException("kernel gone");
        assertThatThrownBy(() -> step(engine, s, 1, 2, 3))
            .isInstanceOf(EngineException.class)
            .hasMessageContaining("kernel gone");
        assertThat(step(engine, s, 1, 2, 3)).isEqualTo(FakeModel.next(new int[] {1, 2, 3}, 3));
      }
    }
  }

  @Test
  void masksWhatAConstraintForbids() throws Exception {
    FakeModel model = new FakeModel(100);
    try (Engine engine = start(model, config(8, 4, 8, 10))) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      List<Integer> accepted = new ArrayList<>();
      TokenConstraint only17 =
          new TokenConstraint() {
            @Override
            public void mask(long[] allowed) {
              allowed[0] = 1L << 17;
            }

            @Override
            public void accept(int token) {
              accepted.add(token);
            }
          };
      try (Sequence s = engine.newSequence(tenant)) {
        StepRequest r = request(s, 1, 2).constrain(only17);
        engine.submit(r);
        r.await(System.nanoTime() + SECOND);
        assertThat(r.token(0)).isEqualTo(17);
        assertThat(accepted).containsExactly(17);
      }
    }
  }

  @Test
  void closingFailsWhatWaits() throws Exception {
    FakeModel model = new FakeModel(10_000);
    model.nanosPerRow = 5_000_000;
    Engine engine = start(model, config(8, 4, 8, 1000));
    EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
    Sequence s = engine.newSequence(tenant);
    StepRequest r = request(s, prompt(1, 500));
    engine.submit(r);
    // Whoever is interrupted waits for the step all the same, and is interrupted then.
    Thread.currentThread().interrupt();
    engine.close();
    assertThat(Thread.interrupted()).isTrue();
    assertThatThrownBy(() -> r.await(System.nanoTime() + SECOND))
        .isInstanceOfSatisfying(
            EngineException.class, e -> assertThat(e.code()).isEqualTo("ENGINE_CLOSED"));
    assertThat(engine.isAlive()).isFalse();
    assertThatThrownBy(() -> engine.newSequence(tenant)).isInstanceOf(EngineException.class);
  }
}
