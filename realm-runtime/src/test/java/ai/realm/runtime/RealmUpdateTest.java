package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.engine.EngineStats;
import ai.realm.engine.Priority;
import ai.realm.engine.TenantShare;
import ai.realm.error.RealmException;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Policies that change while their realms are served.
@Timeout(180)
final class RealmUpdateTest {
  private static final TenantId A = new TenantId("a");
  private static final String FRANCE = "What is the capital of France?";
  private static final String PARIS = "The capital of France is Paris.";
  private static final String STORY = "{\"raw\":true,\"max_tokens\":120,\"ignore_eos\":true}";
  private static final ResourceLimits WIDE = ResourceLimits.unbounded(GuestLimits.DEFAULT);

  /// As little as there is of everything that a call or the engine is measured by.
  private static final ResourceLimits NARROW =
      ResourceLimits.builder()
          .guest(
              GuestLimits.DEFAULT
                  .withDeadline(Duration.ofMillis(1))
                  .withCpuTime(Duration.ofMillis(1))
                  .withMaxMemoryBytes(1 << 16)
                  .withLogBytes(0))
          .memoryBytes(1)
          .maxConcurrentCalls(1)
          .requestsPerSecond(1)
          .promptTokensPerMinute(1)
          .newTokensPerMinute(1)
          .hostCallsPerSecond(1)
          .cpuMillisPerSecond(1)
          .maxSequences(1)
          .maxKvBlocks(1)
          .maxQueuedSteps(1)
          .storeBytes(0)
          .savedKvBytes(0)
          .layerBytes(0)
          .hostBytes(1)
          .priority(Priority.LOW)
          .weight(0.001)
          .build();

  private final AtomicLong clock = new AtomicLong();
  private Backend backend;
  private MultiRealmManager manager;

  @BeforeEach
  void open() {
    backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
    RuntimeConfig config =
        RuntimeConfig.builder(backend)
            .model("sample", SampleModel.path())
            .maxContext(512)
            .sequences(16)
            .memory64Bytes(1 << 20)
            .limits(GuestLimits.DEFAULT)
            .build();
    manager = new MultiRealmManager(config, DefaultGuest.bytes(), clock::get);
  }

  @AfterEach
  void close() {
    manager.close();
    backend.close();
  }

  private CallResult ask() {
    return ask(FRANCE, "{}");
  }

  private CallResult ask(String prompt, String config) {
    return manager.generate(A, "sample", prompt, config, GuestOutput.discard());
  }

  private void update(ResourceLimits limits) {
    manager.update(A, manager.policy(A).withLimits(limits));
  }

  private static void refused(String code, ThrowingCallable act) {
    assertThatThrownBy(act)
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code));
  }

  /// What a call does, wide, then narrow, then wide again.
  private void changes(String code, ResourceLimits narrow, Runnable act) {
    manager.create(A, RealmPolicy.of(WIDE));
    act.run();
    update(narrow);
    refused(code, act::run);
    update(WIDE);
    act.run();
    manager.remove(A);
  }

  private static ResourceLimits.Builder limits() {
    return ResourceLimits.builder();
  }

  @Test
  void eachLimitCanBeLoweredAndRaised() throws IOException {
    Runnable paris = () -> assertThat(ask().text()).isEqualTo(PARIS);
    changes("PROMPT_TOKEN_RATE", limits().promptTokensPerMinute(5).build(), paris);
    changes("NEW_TOKEN_RATE", limits().newTokensPerMinute(3).build(), paris);
    changes("HOST_CALL_RATE", limits().hostCallsPerSecond(3).build(), paris);
    changes("MEMORY_LIMIT", limits().memoryBytes(1 << 16).build(), paris);
    changes("HOST_MEMORY_LIMIT", limits().hostBytes(1).build(), paris);
    changes(
        "KV_LIMIT",
        limits().maxKvBlocks(1).build(),
        () -> assertThat(ask("word ".repeat(60), "{\"raw\":true}").value()).isNotNegative());
    byte[] bestOfN = ExampleGuest.bytes("best_of_n");
    Runnable six =
        () -> {
          manager.deploy(A, bestOfN);
          assertThat(ask(FRANCE, "{\"n\":6,\"temperature\":1,\"seed\":1}").text()).isNotBlank();
        };
    changes("SEQUENCE_LIMIT", limits().maxSequences(3).build(), six);
    changes("QUEUE_FULL", limits().maxQueuedSteps(2).build(), six);
  }

  /// What guests keep beyond their calls.
  @Test
  void whatIsKeptIsMeasuredByTheLimitsAsTheyAre() {
    RuntimeConfig config = RuntimeConfig.of("sample", SampleModel.path(), backend);
    try (ModelCatalog models = new ModelCatalog(config);
        Memory64Manager memory64 = RealmRuntime.newMemory64(config);
        Realm realm = new Realm(A, WIDE, models, memory64, GuestTools.NONE)) {
      byte[] module =
          HostCaller.guest(
              Map.of(
                  "kvs_put", 4, "kv_new", 1, "step", 2, "kv_save", 3, "memory64_store_layer", 5));
      GuestEngine.Module loaded = new EndiveGuestEngine().load(module, GuestLimits.DEFAULT);
      try (GuestSession session = new GuestSession(realm, loaded)) {
        HostCaller guest = new HostCaller(session::call);
        int model = guest.open("sample");
        int kv = guest.call("kv_new", model);
        guest.tokenize(model, CallerRealms.PROMPT, CallerRealms.IDS);
        assertThat(guest.step(kv, CallerRealms.IDS, CallerRealms.PROMPT_TOKENS, 0)).isZero();
        keeps(guest, kv);
        realm.update(
            limits().storeBytes(100).savedKvBytes(100).layerBytes(100).build(), GuestTools.NONE);
        refused("STORE_LIMIT", () -> guest.call("kvs_put", 0, 2, 0, 100));
        refused("SAVED_KV_LIMIT", () -> guest.call("kv_save", kv, 0, 4));
        refused("LAYER_LIMIT", () -> guest.call("memory64_store_layer", 0, 4, 7, 0, 100));
        // What is there may be replaced by less.
        assertThat(guest.call("kvs_put", 0, 4, 0, 50)).isZero();
        realm.update(WIDE, GuestTools.NONE);
        keeps(guest, kv);
      }
    }
  }

  private static void keeps(HostCaller guest, int kv) {
    assertThat(guest.call("kvs_put", 0, 4, 0, 400)).isZero();
    assertThat(guest.call("kv_save", kv, 0, 4)).isZero();
    assertThat(guest.call("memory64_store_layer", 0, 4, 7, 0, 100)).isZero();
  }

  /// Waits after the first text until it may go on.
  private static final class Paused implements GuestOutput {
    final CountDownLatch begun = new CountDownLatch(1);
    final CountDownLatch goOn = new CountDownLatch(1);

    @Override
    public void text(String text) {
      begun.countDown();
      try {
        assertThat(goOn.await(120, TimeUnit.SECONDS)).isTrue();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void lowerLimitsLeaveARunningGenerationAlone(boolean isolated) throws Exception {
    Isolation isolation = isolated ? Isolation.worker() : Isolation.inProcess();
    manager.create(A, RealmPolicy.of(WIDE).withIsolation(isolation));
    manager.deploy(A, DefaultGuest.bytes());
    CallResult alone = ask("Once upon a time", STORY);
    assertThat(alone.newTokens()).as("more than a block of 32").isGreaterThan(40);
    Usage before = manager.status(A).usage();
    Paused output = new Paused();
    try (ExecutorService callers = Executors.newFixedThreadPool(1)) {
      Future<CallResult> running =
          callers.submit(() -> manager.generate(A, "sample", "Once upon a time", STORY, output));
      try {
        assertThat(output.begun.await(60, TimeUnit.SECONDS)).isTrue();
        update(NARROW);
        refused("TOO_MANY_CALLS", this::ask);
      } finally {
        output.goOn.countDown();
      }
      assertThat(running.get(60, TimeUnit.SECONDS).text()).isEqualTo(alone.text());
    }
    RealmStatus after = manager.status(A);
    assertThat(after.usage().calls()).isEqualTo(before.calls() + 1);
    assertThat(after.usage().newTokens()).isEqualTo(2 * before.newTokens());
    assertThat(after.usage().promptTokens()).isEqualTo(2 * before.promptTokens());
    assertThat(after.idleGuests()).as("made with the limits before").isZero();
    assertThat(after.memoryBytes()).isZero();
    // And what it used is used of the new limits.
    update(limits().newTokensPerMinute(100).build());
    assertThat(ask().text()).isEqualTo(PARIS);
    update(limits().newTokensPerMinute(1).build());
    refused("NEW_TOKEN_RATE", this::ask);
  }

  @Test
  void higherLimitsHelpARunningGeneration() throws Exception {
    manager.create(
        A,
        RealmPolicy.of(limits().newTokensPerMinute(20).maxKvBlocks(1).hostBytes(8 << 10).build()));
    Paused output = new Paused();
    try (ExecutorService callers = Executors.newFixedThreadPool(1)) {
      Future<CallResult> running =
          callers.submit(() -> manager.generate(A, "sample", "Once upon a time", STORY, output));
      try {
        assertThat(output.begun.await(60, TimeUnit.SECONDS)).isTrue();
        update(limits().newTokensPerMinute(200).build());
      } finally {
        output.goOn.countDown();
      }
      assertThat(running.get(60, TimeUnit.SECONDS).newTokens()).isGreaterThan(40);
    }
    update(limits().newTokensPerMinute(10).build());
    refused("NEW_TOKEN_RATE", this::ask);
  }

  /// A guest that grows its memory by a page and tells whether it could, and one that never ends.
  private static byte[] growing() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 4);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, new Code().constant(1).grow());
    module.function("forever", 0, 0, new Code().forever().constant(0));
    return module.build();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void guestLimitsAreForTheNextCall(boolean isolated) {
    Isolation isolation = isolated ? Isolation.worker() : Isolation.inProcess();
    manager.create(A, RealmPolicy.of(WIDE).withIsolation(isolation));
    manager.deploy(A, growing());
    GuestLimits guest = GuestLimits.DEFAULT;
    assertThat(ask().value()).isEqualTo(1);
    update(limits().guest(guest.withMaxMemoryBytes(1 << 16)).build());
    assertThat(manager.status(A).idleGuests()).isZero();
    assertThat(ask().value()).isEqualTo(-1);
    update(limits().guest(guest.withMaxMemoryBytes(2 << 16)).build());
    assertThat(ask().value()).isEqualTo(1);
    update(limits().guest(guest.withDeadline(Duration.ofMillis(300))).build());
    refused("GUEST_DEADLINE", () -> manager.call(A, "forever", GuestOutput.discard()));
    update(limits().guest(guest.withCpuTime(Duration.ofMillis(50))).build());
    refused("GUEST_CPU", () -> manager.call(A, "forever", GuestOutput.discard()));
    update(limits().cpuMillisPerSecond(50).build());
    refused("CPU_RATE", () -> manager.call(A, "forever", GuestOutput.discard()));
    update(WIDE);
    assertThat(ask().value()).isEqualTo(1);
  }

  @Test
  void instancesThatTheNewLimitsAllowLiveOn() {
    manager.create(A, RealmPolicy.of(WIDE));
    manager.deploy(A, growing());
    assertThat(ask().value()).isEqualTo(1);
    update(limits().newTokensPerMinute(10).weight(3).priority(Priority.HIGH).build());
    assertThat(manager.status(A).idleGuests()).isEqualTo(1);
    assertThat(ask().value()).as("grown by the call before").isEqualTo(2);
  }

  @Test
  void theEngineKnowsTheNewShare() throws Exception {
    manager.create(A, RealmPolicy.of(WIDE));
    ask();
    update(
        limits()
            .priority(Priority.HIGH)
            .weight(7)
            .maxSequences(9)
            .maxKvBlocks(11)
            .maxQueuedSteps(13)
            .build());
    assertThat(share()).isEqualTo(new TenantShare(Priority.HIGH, 7, 9, 11, 13));
  }

  private TenantShare share() throws InterruptedException {
    ModelHost host = manager.model("sample", System.nanoTime()).host();
    return manager.realm(A).realm().engineTenant(host).share();
  }

  @Test
  void breakerFallbackAndToolsChange() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int tool = module.importFunction("realm_host", "tool_call", 4);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, new Code().unreachable().constant(0));
    module.function(
        "ask",
        0,
        0,
        new Code()
            .storeConstant(0, 't')
            .constant(0)
            .constant(1)
            .constant(0)
            .constant(1)
            .call(tool));
    RealmPolicy policy = RealmPolicy.of(WIDE).withBreaker(5, Duration.ofHours(1));
    manager.create(A, policy);
    manager.deploy(A, module.build());
    assertThat(manager.call(A, "ask", GuestOutput.discard()).value()).isEqualTo(Errno.ENOENT);
    manager.update(A, policy.withTools(new GuestTools(Map.of("t", text -> text))));
    assertThat(manager.call(A, "ask", GuestOutput.discard()).value()).isPositive();
    refused("GUEST_TRAP", this::ask);
    manager.update(A, policy.withBreaker(2, Duration.ofHours(1)));
    refused("GUEST_TRAP", this::ask);
    refused("GUEST_UNAVAILABLE", this::ask);
    manager.update(A, policy.withFallback(true));
    assertThat(ask().text()).isEqualTo(PARIS);
    manager.update(A, policy.withBreaker(2, Duration.ofSeconds(30)));
    refused("GUEST_UNAVAILABLE", this::ask);
    clock.addAndGet(TimeUnit.SECONDS.toNanos(31));
    refused("GUEST_TRAP", this::ask);
  }

  @Test
  void whereAGuestRunsCannotChange() {
    RealmPolicy policy = RealmPolicy.of(WIDE);
    manager.create(A, policy);
    for (Isolation other : List.of(Isolation.worker(), Isolation.sharedWorker("g"))) {
      assertThatThrownBy(() -> manager.update(A, RealmPolicy.of(NARROW).withIsolation(other)))
          .isInstanceOfSatisfying(
              RealmPolicyException.class, e -> assertThat(e.code()).isEqualTo("ISOLATION_FIXED"))
          .hasMessageContaining("InProcess")
          .hasMessageContaining("Worker");
    }
    assertThatThrownBy(() -> update(limits().newTokensPerMinute(1).weight(1e7).build()))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(manager.policy(A)).isEqualTo(policy);
    assertThat(ask().text()).isEqualTo(PARIS);
    manager.remove(A);
    RealmPolicy isolated = policy.withIsolation(Isolation.worker());
    manager.create(A, isolated);
    for (Isolation other :
        List.of(
            Isolation.inProcess(),
            Isolation.sharedWorker("g"),
            new Isolation.Worker("", 128L << 20))) {
      refused("ISOLATION_FIXED", () -> manager.update(A, policy.withIsolation(other)));
    }
    assertThat(manager.policy(A)).isEqualTo(isolated);
  }

  @Test
  void aTenantWithoutARealmHasNothingToChange() {
    refused("NO_REALM", () -> manager.update(A, RealmPolicy.of(WIDE)));
    refused("NO_REALM", () -> manager.policy(A));
    manager.create(A, RealmPolicy.of(WIDE));
    TenantRealm gone = manager.realm(A);
    manager.remove(A);
    refused("NO_REALM", () -> manager.update(A, RealmPolicy.of(WIDE)));
    refused("NO_REALM", () -> gone.update(RealmPolicy.of(WIDE)));
  }

  private static final Set<String> ENDS = Set.of("NO_REALM", "GUEST_CANCELLED", "DEPLOY_PENDING");

  private static void act(AtomicInteger done, Runnable act) {
    try {
      act.run();
      done.incrementAndGet();
    } catch (RealmException e) {
      if (!ENDS.contains(e.code())) {
        throw e;
      }
    }
  }

  /// Of two kinds of limits both let every call through.
  private static RealmPolicy policy(int n) {
    return RealmPolicy.of(
            limits()
                .guest(n % 2 == 0 ? GuestLimits.DEFAULT : GuestLimits.DEFAULT.withLogBytes(n))
                .newTokensPerMinute(n % 3 == 0 ? Long.MAX_VALUE : 1L << 40)
                .maxKvBlocks(100 + n % 5)
                .weight(1 + n % 7)
                .priority(Priority.values()[n % 3])
                .build())
        .withBreaker(1 + n % 4, Duration.ofSeconds(30));
  }

  @Test
  void updatesThatRaceCallsDeploymentsAndRemovalsLeaveNothingAndTheLastHolds() throws Exception {
    byte[] guest = ExampleGuest.bytes("vote");
    manager.create(A, policy(0));
    ask();
    manager.remove(A);
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger calls = new AtomicInteger();
    AtomicInteger updates = new AtomicInteger();
    AtomicInteger others = new AtomicInteger();
    String brief = "{\"raw\":true,\"max_tokens\":2}";
    try (ExecutorService threads = Executors.newFixedThreadPool(5)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        all.add(
            threads.submit(() -> {
              while (!over.get()) {
                act(calls, () -> ask("The fox and the river", brief));
              }
            }));
        int first = i;
        all.add(
            threads.submit(() -> {
              for (int n = first; !over.get(); n++) {
                RealmPolicy next = policy(n);
                act(updates, () -> manager.update(A, next));
              }
            }));
      }
      all.add(
          threads.submit(() -> {
            while (!over.get()) {
              act(others, () -> manager.deploy(A, guest));
              act(others, () -> manager.undeploy(A));
            }
          }));
      try {
        for (int round = 0; round < 40; round++) {
          manager.create(A, policy(round));
          int seen = calls.get();
          int changed = updates.get();
          while ((calls.get() < seen + 2 || updates.get() < changed + 2)
              && all.stream().noneMatch(Future::isDone)) {
            Thread.onSpinWait();
          }
          if (round < 39) {
            manager.remove(A);
          }
        }
      } finally {
        over.set(true);
      }
      for (Future<?> one : all) {
        one.get(60, TimeUnit.SECONDS);
      }
    }
    ResourceLimits last = manager.policy(A).limits();
    assertThat(share())
        .isEqualTo(
            new TenantShare(
                last.priority(),
                last.weight(),
                last.maxSequences(),
                last.maxKvBlocks(),
                last.maxQueuedSteps()));
    assertThat(manager.status(A).runningCalls()).isZero();
    manager.remove(A);
    EngineStats stats = manager.model("sample", System.nanoTime()).host().engine().stats();
    assertThat(stats.tenants()).isZero();
    assertThat(stats.openSequences()).isZero();
    assertThat(stats.freeBlocks()).isEqualTo(stats.blocks());
  }
}
