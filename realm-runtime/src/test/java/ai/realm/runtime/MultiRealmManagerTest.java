package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.EngineStats;
import ai.realm.engine.PublishedPrefix;
import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tenants side by side: their own guests, versions, limits and failures.
@Timeout(120)
final class MultiRealmManagerTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final TenantId B = new TenantId("b");
  private static final String FRANCE = "What is the capital of France?";
  private static final RealmPolicy FREE =
      RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));

  private final AtomicLong clock = new AtomicLong();
  private MultiRealmManager manager;

  @BeforeEach
  void open() {
    RuntimeConfig config = builder().maxContext(512).sequences(16).memory64Bytes(1 << 20).build();
    manager = new MultiRealmManager(config, DefaultGuest.bytes(), clock::get);
  }

  @AfterEach
  void close() {
    manager.close();
  }

  private CallResult ask(TenantId tenant) {
    return manager.generate(tenant, "sample", FRANCE, "{}", GuestOutput.discard());
  }

  /// A guest whose `generate` does that and returns 0.
  private static byte[] guest(Code generate) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, generate.constant(0));
    return module.build();
  }

  /// A guest that answers with a letter.
  private static byte[] saying(char letter) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function(
        "generate", 1, 0, new Code().storeConstant(0, letter).constant(0).constant(1).call(emit));
    return module.build();
  }

  private static byte[] crashing() {
    return guest(new Code().unreachable());
  }

  @Test
  void tenantsShareTheModelAndTheCompiledGuest() {
    manager.create(A, FREE);
    manager.create(B, FREE);
    assertThat(ask(A).text()).isEqualTo("The capital of France is Paris.");
    assertThat(ask(B).text()).isEqualTo("The capital of France is Paris.");
    assertThat(manager.compilations()).isEqualTo(1);
    manager.deploy(A, saying('x'));
    manager.deploy(B, saying('x'));
    assertThat(manager.compilations()).isEqualTo(2);
    assertThat(ask(A).text()).isEqualTo("x");
    assertThat(manager.status(A).guest()).isEqualTo(manager.status(B).guest());
  }

  private static String conversation(String system) {
    return "[{\"role\":\"system\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"%s\"}]"
        .formatted(system, FRANCE);
  }

  private CallResult converse(TenantId tenant, String system) {
    return manager.generate(
        tenant,
        "sample",
        conversation(system),
        "{\"messages\":true,\"max_tokens\":8}",
        GuestOutput.discard());
  }

  @Test
  void publishedSystemPromptsChangeNeitherAnswersNorWhatIsCharged() throws Exception {
    manager.create(A, FREE);
    manager.create(B, FREE);
    String system = "You answer every question in one short sentence. ".repeat(8).trim();
    CallResult before = converse(A, system);
    try (PublishedPrefix prefix =
        manager.publishSystemPrompt("sample", system, Duration.ofSeconds(30))) {
      assertThat(prefix.length()).isBetween(32, before.promptTokens());
      CallResult after = converse(B, system);
      assertThat(after.text()).isEqualTo(before.text());
      assertThat(after.promptTokens()).isEqualTo(before.promptTokens());
      assertThat(manager.status(B).usage())
          .satisfies(usage -> assertThat(usage.promptTokens()).isEqualTo(before.promptTokens()));
      assertThat(manager.model("sample", System.nanoTime()).host().engine().stats().prefixBlocks())
          .isEqualTo(prefix.length() / 32);
    }
  }

  @Test
  void whoPublishesForAModelThatIsNotThereIsToldSo() {
    for (ThrowingCallable publishing :
        List.<ThrowingCallable>of(
            () -> manager.publish("other", new int[64], Duration.ofSeconds(1)),
            () -> manager.publishSystemPrompt("other", "Be brief.", Duration.ofSeconds(1)))) {
      assertThatThrownBy(publishing)
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("NO_MODEL"))
          .hasMessage("model other: expected one of sample, found none of that name");
    }
  }

  @Test
  void usageIsCountedExactlyAndPerTenant() {
    manager.create(A, FREE);
    manager.create(B, FREE);
    for (int i = 0; i < 3; i++) {
      ask(A);
    }
    Usage used = manager.status(A).usage();
    assertThat(used.calls()).isEqualTo(3);
    assertThat(used.promptTokens()).isEqualTo(33);
    // The seven of each answer and the one that ended it.
    assertThat(used.newTokens()).isEqualTo(24);
    assertThat(used.steps()).isEqualTo(24);
    assertThat(used.textBytes()).isEqualTo(3L * "The capital of France is Paris.".length());
    assertThat(used.failed()).isZero();
    assertThat(manager.status(B).usage().calls()).isZero();
  }

  @Test
  void concurrentCallsOfManyTenantsAreAllRight() throws Exception {
    List<TenantId> tenants = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      tenants.add(new TenantId("tenant-" + i));
      manager.create(tenants.getLast(), FREE);
    }
    try (ExecutorService callers = Executors.newFixedThreadPool(64)) {
      List<Future<String>> answers = new ArrayList<>();
      for (int i = 0; i < 128; i++) {
        TenantId tenant = tenants.get(i % tenants.size());
        answers.add(callers.submit(() -> ask(tenant).text()));
      }
      for (Future<String> answer : answers) {
        assertThat(answer.get(60, TimeUnit.SECONDS)).isEqualTo("The capital of France is Paris.");
      }
    }
    long tokens = tenants.stream().mapToLong(t -> manager.status(t).usage().newTokens()).sum();
    assertThat(tokens).isEqualTo(128 * 8);
  }

  @Test
  void whatAGuestSaysOfItsFailureHasTheHostFunctionInIt() {
    manager.create(A, FREE);
    CallResult failed = manager.generate(A, "no model", FRANCE, "{}", GuestOutput.discard());
    assertThat(failed.value()).isEqualTo(Errno.ENOENT);
    assertThat(failed.error())
        .isEqualTo("model_open: there is no model, tool, value or saved sequence of that name");
    assertThatThrownBy(failed::orThrow)
        .isInstanceOfSatisfying(
            GuestErrorException.class,
            e -> {
              assertThat(e.code()).isEqualTo("GUEST_ERROR");
              assertThat(e.result()).isEqualTo(failed);
            })
        .hasMessage("guest: " + failed.error());
    CallResult answer = ask(A);
    assertThat(answer.error()).isEmpty();
    assertThat(answer.orThrow()).isSameAs(answer);
    manager.deploy(A, guest(new Code().constant(Errno.EINVAL).raw(0x0f)));
    assertThat(ask(A).error()).as("its own").isEqualTo("an argument is out of its range");
  }

  @Test
  void aCallThatEndsWithAnErrorFailsOnce() {
    ResourceLimits few = ResourceLimits.builder().newTokensPerMinute(3).build();
    manager.create(A, RealmPolicy.of(few).withFallback(true).withBreaker(9, Duration.ofDays(1)));
    manager.deploy(A, crashing());
    assertThatThrownBy(() -> ask(A)).hasMessageContaining("new tokens a minute");
    assertThat(manager.status(A).usage().calls()).isEqualTo(1);
    assertThat(manager.status(A).usage().failed()).as("both guests failed").isEqualTo(1);
    manager.undeploy(A);
    String long3 = "x".repeat(3 << 20);
    assertThatThrownBy(() -> manager.generate(A, "sample", long3, "{}", GuestOutput.discard()))
        .isInstanceOfSatisfying(
            LimitException.class, e -> assertThat(e.code()).isEqualTo("ARGUMENT_LIMIT"));
    assertThat(manager.status(A).usage().calls()).isEqualTo(2);
    assertThat(manager.status(A).usage().failed()).isEqualTo(2);
  }

  /// Output whose receiver keeps the guest waiting from its first text on.
  private static GuestOutput waiting(CountDownLatch started, CountDownLatch goOn) {
    return text -> {
      started.countDown();
      try {
        assertThat(goOn.await(60, TimeUnit.SECONDS)).isTrue();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    };
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void newVersionServesNewCallsWhileOldOnesFinishOnTheirs(boolean isolated) throws Exception {
    Isolation isolation = isolated ? Isolation.worker() : Isolation.inProcess();
    manager.create(A, FREE.withIsolation(isolation));
    manager.deploy(A, saying('1'));
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch deployed = new CountDownLatch(1);
    GuestOutput slow = waiting(started, deployed);
    try (ExecutorService callers = Executors.newFixedThreadPool(1)) {
      Future<CallResult> old =
          callers.submit(() -> manager.generate(A, "sample", FRANCE, "{}", slow));
      assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();
      manager.deploy(A, saying('2'));
      assertThat(ask(A).text()).isEqualTo("2");
      deployed.countDown();
      assertThat(old.get(60, TimeUnit.SECONDS).text()).isEqualTo("1");
    }
    manager.undeploy(A);
    assertThat(ask(A).text()).contains("Paris");
  }

  @Test
  void instancesThatIdleAreReleasedBesideCalls() throws Exception {
    manager.create(A, FREE);
    manager.create(B, FREE);
    ask(A);
    manager.deploy(A, saying('1'));
    ask(A);
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch released = new CountDownLatch(1);
    try (ExecutorService callers = Executors.newFixedThreadPool(1)) {
      Future<CallResult> running =
          callers.submit(
              () -> manager.generate(B, "sample", FRANCE, "{}", waiting(started, released)));
      assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();
      assertThat(manager.status(A).idleGuests()).isEqualTo(1);
      long before = manager.status(A).memoryBytes();
      manager.releaseIdle();
      assertThat(manager.status(A).idleGuests()).isZero();
      assertThat(before).as("of its own guest and of the default one").isGreaterThan(1 << 16);
      assertThat(manager.status(A).memoryBytes()).isZero();
      assertThat(manager.status(B).memoryBytes()).isPositive();
      released.countDown();
      assertThat(running.get(60, TimeUnit.SECONDS).text()).contains("Paris");
    }
    assertThat(manager.status(B).idleGuests()).isEqualTo(1);
    assertThat(ask(A).text()).isEqualTo("1");
    manager.undeploy(A);
    assertThat(ask(A).text()).contains("Paris");
  }

  @Test
  void guestThatCannotBeOneLeavesTheOneBefore() {
    manager.create(A, FREE);
    manager.deploy(A, saying('1'));
    assertThatThrownBy(() -> manager.deploy(A, "not wasm".getBytes()))
        .isInstanceOf(GuestFormatException.class);
    assertThat(ask(A).text()).isEqualTo("1");
  }

  @Test
  void defaultGuestStandsInForOneThatFails() {
    manager.create(A, FREE.withFallback(true).withBreaker(2, Duration.ofSeconds(30)));
    manager.deploy(A, crashing());
    assertThat(ask(A).text()).contains("Paris");
    assertThat(manager.status(A).breakerOpen()).isFalse();
    assertThat(ask(A).text()).contains("Paris");
    assertThat(manager.status(A).breakerOpen()).isTrue();
    long failed = manager.status(A).usage().failed();
    assertThat(ask(A).text()).contains("Paris");
    assertThat(manager.status(A).usage().failed()).isEqualTo(failed).isEqualTo(2);
    // When the time is over it is tried once, and not again when it fails.
    clock.addAndGet(TimeUnit.SECONDS.toNanos(31));
    ask(A);
    ask(A);
    assertThat(manager.status(A).usage().failed()).isEqualTo(3);
    // A version that works closes the breaker.
    manager.deploy(A, saying('w'));
    assertThat(ask(A).text()).isEqualTo("w");
    assertThat(manager.status(A).breakerOpen()).isFalse();
  }

  @Test
  void withoutFallbackAnOpenBreakerRefusesAndSaysWhenToRetry() {
    manager.create(A, FREE.withBreaker(1, Duration.ofSeconds(30)));
    manager.create(B, FREE);
    manager.deploy(A, crashing());
    assertThatThrownBy(() -> ask(A))
        .isInstanceOf(GuestTrapException.class)
        .hasMessageEndingWith(", in function 1");
    clock.addAndGet(TimeUnit.SECONDS.toNanos(10));
    assertThatThrownBy(() -> ask(A))
        .isInstanceOfSatisfying(
            LimitException.class,
            e -> {
              assertThat(e.code()).isEqualTo("GUEST_UNAVAILABLE");
              assertThat(e.retryAfter()).isEqualTo(Duration.ofSeconds(20));
            });
    Usage usage = manager.status(A).usage();
    assertThat(usage.refused()).isEqualTo(1);
    // The one that crashed: a call that is refused did not begin.
    assertThat(usage.calls()).isEqualTo(1);
    assertThat(usage.failed()).isEqualTo(1);
    assertThat(ask(B).text()).contains("Paris");
  }

  @Test
  void eachLimitHasAnErrorOfItsOwn() {
    refuses(ResourceLimits.builder().requestsPerSecond(1), "REQUEST_RATE", 1);
    refuses(ResourceLimits.builder().promptTokensPerMinute(12), "PROMPT_TOKEN_RATE", 1);
    refuses(ResourceLimits.builder().newTokensPerMinute(9), "NEW_TOKEN_RATE", 1);
    refuses(ResourceLimits.builder().newTokensPerMinute(3), "NEW_TOKEN_RATE", 0);
    refuses(ResourceLimits.builder().hostCallsPerSecond(3), "HOST_CALL_RATE", 0);
    refuses(ResourceLimits.builder().memoryBytes(1 << 16), "MEMORY_LIMIT", 0);
    GuestLimits tiny = GuestLimits.DEFAULT.withMaxModuleBytes(64);
    manager.create(A, RealmPolicy.of(ResourceLimits.unbounded(tiny)));
    assertThatThrownBy(() -> manager.deploy(A, saying('x')))
        .isInstanceOf(GuestFormatException.class)
        .hasMessageContaining("at most 64 bytes");
  }

  private void refuses(ResourceLimits.Builder limits, String code, int goodCalls) {
    manager.create(A, RealmPolicy.of(limits.build()));
    for (int i = 0; i < goodCalls; i++) {
      assertThat(ask(A).text()).contains("Paris");
    }
    assertThatThrownBy(() -> ask(A))
        .isInstanceOfSatisfying(RealmException.class, e -> assertThat(e.code()).isEqualTo(code));
    manager.remove(A);
  }

  @Test
  void kvBlocksAndSequencesAreBounded() {
    manager.create(A, RealmPolicy.of(ResourceLimits.builder().maxKvBlocks(1).build()));
    assertThatThrownBy(() ->
            manager.generate(
                A, "sample", "word ".repeat(60), "{\"raw\": true}", GuestOutput.discard()))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"));
  }

  @Test
  void callsAtOnceAreBounded() throws Exception {
    manager.create(A, RealmPolicy.of(ResourceLimits.builder().maxConcurrentCalls(1).build()));
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch refused = new CountDownLatch(1);
    GuestOutput slow =
        text -> {
          started.countDown();
          try {
            assertThat(refused.await(60, TimeUnit.SECONDS)).isTrue();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        };
    try (ExecutorService callers = Executors.newFixedThreadPool(1)) {
      Future<CallResult> first =
          callers.submit(() -> manager.generate(A, "sample", FRANCE, "{}", slow));
      assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();
      assertThatThrownBy(() -> ask(A))
          .isInstanceOfSatisfying(
              LimitException.class,
              e -> {
                assertThat(e.code()).isEqualTo("TOO_MANY_CALLS");
                assertThat(e.getStackTrace()).as("refusing stays cheap").isEmpty();
              });
      refused.countDown();
      assertThat(first.get(60, TimeUnit.SECONDS).text()).contains("Paris");
    }
    assertThat(manager.status(A).usage().refused()).isEqualTo(1);
  }

  @Test
  void aShareThatNoEngineTakesIsRefusedBeforeThereIsARealm() {
    RealmPolicy heavy = RealmPolicy.of(ResourceLimits.builder().weight(1e7).build());
    assertThatThrownBy(() -> manager.create(A, heavy))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("weight: expected above 0 to 1e6");
    assertThat(manager.has(A)).isFalse();
    manager.create(A, FREE);
  }

  @Test
  void removedRealmIsGoneAndItsMemoryGivenBack() {
    manager.create(A, FREE);
    ask(A);
    TenantRealm realm = manager.realm(A);
    assertThat(realm.status().memoryBytes()).isPositive();
    assertThat(stats().tenants()).isEqualTo(1);
    assertThatThrownBy(() -> manager.create(A, FREE))
        .isInstanceOfSatisfying(
            RealmPolicyException.class, e -> assertThat(e.code()).isEqualTo("REALM_EXISTS"));
    realm.close();
    assertThatThrownBy(() -> manager.create(A, FREE))
        .as("while it is removed")
        .isInstanceOfSatisfying(
            LimitException.class, e -> assertThat(e.code()).isEqualTo("REALM_BUSY"));
    manager.remove(A);
    assertThat(realm.status().memoryBytes()).isZero();
    assertThat(stats().tenants()).isZero();
    assertThat(stats().openSequences()).isZero();
    assertThat(stats().freeBlocks()).isEqualTo(stats().blocks());
    assertThat(manager.has(A)).isFalse();
    assertThat(manager.status()).isEmpty();
    assertThatThrownBy(() -> ask(A))
        .isInstanceOfSatisfying(
            LimitException.class, e -> assertThat(e.code()).isEqualTo("NO_REALM"));
    manager.create(A, FREE);
    assertThat(ask(A).text()).contains("Paris");
  }

  private EngineStats stats() {
    try {
      return manager.model("sample", System.nanoTime()).host().engine().stats();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void otherExportsOfATenantsGuestCanBeCalled() throws IOException {
    manager.create(A, FREE.withBreaker(1, Duration.ofHours(1)));
    manager.create(B, FREE);
    for (TenantId tenant : List.of(A, B)) {
      manager.deploy(tenant, ExampleGuest.bytes("redact"));
    }
    CallResult remembered = manager.call(A, "remember", GuestOutput.discard(), "Paris");
    assertThat(remembered.value()).isNotNegative();
    assertThat(ask(A).text()).isNotBlank().doesNotContain("Paris");
    assertThat(ask(B).text()).contains("Paris");
    assertThatThrownBy(() -> manager.call(A, "none", GuestOutput.discard()))
        .isInstanceOf(GuestFormatException.class)
        .hasMessageContaining("exports no function none");
    assertThat(manager.status(A).breakerOpen()).isFalse();
    assertThat(manager.status(A).runningCalls()).isZero();
  }

  @Test
  void anotherExportThatTrapsCountsAndNothingStandsInForIt() {
    manager.create(A, FREE.withFallback(true).withBreaker(1, Duration.ofHours(1)));
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, new Code().constant(0));
    module.function("crash", 0, 0, new Code().unreachable().constant(0));
    manager.deploy(A, module.build());
    assertThatThrownBy(() -> manager.call(A, "crash", GuestOutput.discard()))
        .isInstanceOf(GuestTrapException.class);
    assertThat(manager.status(A).breakerOpen()).isTrue();
    assertThatThrownBy(() -> manager.call(A, "crash", GuestOutput.discard()))
        .isInstanceOfSatisfying(
            LimitException.class, e -> assertThat(e.code()).isEqualTo("GUEST_UNAVAILABLE"));
    assertThat(ask(A).text()).contains("Paris");
  }

  /// A handle of the instance that trapped means nothing in the one after it.
  @Test
  void modelsAreLoadedAnewAfterAnotherExportTrapped() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int sequence = module.importFunction("realm_host", "kv_new", 1);
    module.memory(1, 1);
    Code load = new Code().constant(0).constant(0).constant(64).call(argument).set(0);
    module.function("load_model", 0, 1, load.constant(0).get(0).call(open));
    module.function("generate", 1, 0, new Code().get(0).call(sequence));
    module.function("crash", 0, 0, new Code().unreachable().constant(0));
    module.function("rest", 0, 0, new Code().constant(7));
    manager.create(A, FREE);
    manager.deploy(A, module.build());
    assertThat(ask(A).value()).isPositive();
    assertThatThrownBy(() -> manager.call(A, "crash", GuestOutput.discard()))
        .isInstanceOf(GuestTrapException.class);
    assertThat(manager.call(A, "rest", GuestOutput.discard()).value()).isEqualTo(7);
    assertThat(ask(A).value()).isPositive();
  }

  @Test
  void privateLayersAndStoresOfTenantsAreApart() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int put = module.importFunction("realm_host", "kvs_put", 4);
    int get = module.importFunction("realm_host", "kvs_get", 4);
    int store = module.importFunction("realm_host", "memory64_store_layer", 5);
    int load = module.importFunction("realm_host", "memory64_load_layer", 5);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    // 1000 * bytes of the layer that was there + bytes of the value; then both are stored.
    Code code = new Code().constant(0).constant(1).constant(8).constant(4).call(get).set(1);
    code.constant(0).constant(1).constant(0).constant(4).call(put).drop();
    code.constant(0).constant(1).constant(7).constant(8).constant(4).call(load);
    code.constant(1000).raw(0x6c).get(1).raw(0x6a).set(1);
    code.constant(0).constant(1).constant(7).constant(0).constant(9).call(store).drop().get(1);
    module.function("generate", 1, 1, code);
    byte[] guest = module.build();
    for (TenantId tenant : List.of(A, B)) {
      manager.create(tenant, FREE);
      manager.deploy(tenant, guest);
      assertThat(ask(tenant).value()).isEqualTo(1000L * Errno.ENOENT + Errno.ENOENT);
      assertThat(ask(tenant).value()).isEqualTo(9004);
    }
  }

  @Test
  void realmsOfACompiledGuestAreMadeWithoutCompilingOrLoading() {
    byte[] guest = saying('g');
    for (int i = 0; i < 50; i++) {
      TenantId tenant = new TenantId("warm-" + i);
      manager.create(tenant, FREE);
      assertThat(ask(tenant).text()).contains("Paris");
      manager.deploy(tenant, guest);
      assertThat(ask(tenant).text()).isEqualTo("g");
    }
    assertThat(manager.compilations()).as("the default guest and the other").isEqualTo(2);
    assertThat(manager.modelLoads()).isEqualTo(1);
  }
}
