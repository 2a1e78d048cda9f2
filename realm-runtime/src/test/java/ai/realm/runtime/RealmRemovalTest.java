package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.EngineStats;
import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A realm that is removed is gone: whatever its calls do at that moment, nothing of it stays in the
/// engines.
@Timeout(180)
final class RealmRemovalTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final TenantId B = new TenantId("b");
  private static final RealmPolicy FREE =
      RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));

  /// Longer than a block, so that a tenant that stays keeps cached blocks.
  private static final String PROMPT = "The fox and the river went to the old house. ".repeat(8);

  private static final String SHORT = "{\"raw\":true,\"max_tokens\":2}";

  private final RuntimeConfig config =
      builder().maxContext(512).sequences(16).memory64Bytes(1 << 20).build();

  @AutoClose
  private final MultiRealmManager manager = new MultiRealmManager(config, DefaultGuest.bytes());

  private CallResult ask(TenantId tenant) {
    return manager.generate(tenant, "sample", PROMPT, SHORT, GuestOutput.discard());
  }

  private EngineStats stats() throws InterruptedException {
    return manager.model("sample", System.nanoTime()).host().engine().stats();
  }

  private void assertNothingIsLeft() throws InterruptedException {
    EngineStats stats = stats();
    assertThat(stats.tenants()).as("tenants").isZero();
    assertThat(stats.openSequences()).as("sequences").isZero();
    assertThat(stats.cachedBlocks()).as("cached blocks").isZero();
    assertThat(stats.freeBlocks()).as("free blocks").isEqualTo(stats.blocks());
  }

  private static void assertCode(Throwable failure, String code) {
    assertThat(failure)
        .isInstanceOfSatisfying(RealmException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  /// Opens the model and a sequence, calls the tool `t`, and then opens both again and emits.
  private static byte[] callingATool() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int sequence = module.importFunction("realm_host", "kv_new", 1);
    int tool = module.importFunction("realm_host", "tool_call", 4);
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    Code opens = new Code().constant(0).constant(6).call(open).call(sequence).drop();
    Code load = new Code().constant(0).constant(0).constant(64).call(argument).drop();
    module.function("load_model", 0, 0, load.constant(1));
    Code generate = new Code().append(opens).storeConstant(64, 't').constant(64).constant(1);
    generate.constant(64).constant(1).call(tool).drop().append(opens);
    generate.constant(64).constant(1).call(emit).drop();
    module.function("generate", 1, 0, generate.constant(0));
    return module.build();
  }

  /// A tool that ends when it is told to, interrupted or not.
  private static final class Stubborn implements UnaryOperator<String> {
    final CountDownLatch begun;
    final CountDownLatch released = new CountDownLatch(1);

    Stubborn(int calls) {
      begun = new CountDownLatch(calls);
    }

    @Override
    public String apply(String text) {
      begun.countDown();
      boolean interrupted = false;
      while (true) {
        try {
          released.await();
          break;
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      return "done";
    }
  }

  @Test
  void closedRealmTakesNoPlaceInAnEngine() throws InterruptedException {
    manager.create(B, FREE);
    ask(B);
    ModelHost host = manager.model("sample", System.nanoTime()).host();
    try (ModelCatalog models = new ModelCatalog(config);
        Memory64Manager memory64 = RealmRuntime.newMemory64(config)) {
      Realm realm = new Realm(A, FREE.limits(), models, memory64, GuestTools.NONE);
      realm.engineTenant(host);
      assertThat(stats().tenants()).isEqualTo(2);
      realm.close();
      assertThat(stats().tenants()).isEqualTo(1);
      assertThatThrownBy(() -> realm.engineTenant(host)).satisfies(e -> assertCode(e, "NO_REALM"));
      assertThat(stats().tenants()).isEqualTo(1);
      realm.close();
    }
  }

  @Test
  void retiredPoolLendsNothing() {
    GuestModules.Guest guest =
        new GuestModules(new EndiveGuestEngine()).get(callingATool(), GuestLimits.DEFAULT);
    try (ModelCatalog models = new ModelCatalog(config);
        Memory64Manager memory64 = RealmRuntime.newMemory64(config)) {
      GuestPool pool =
          new GuestPool(new Realm(A, FREE.limits(), models, memory64, GuestTools.NONE), guest);
      LoadedGuest lent = pool.borrow();
      assertThat(lent).isNotNull();
      pool.retire();
      assertThat(pool.borrow()).isNull();
      assertThat(pool.isOver()).isFalse();
      pool.giveBack(lent);
      assertThat(pool.isOver()).isTrue();
      assertThat(pool.idle()).isZero();
      assertThat(pool.borrow()).isNull();
    }
  }

  /// The latch opens only when the realm is removed: whoever waited for the calls would wait for ever.
  @Test
  void removeDoesNotWaitForToolsThatIgnoreTheirInterrupt() throws Exception {
    Stubborn tool = new Stubborn(3);
    List<String> late = new ArrayList<>();
    manager.create(A, FREE.withTools(new GuestTools(Map.of("t", tool))));
    manager.deploy(A, callingATool());
    try (ExecutorService callers = Executors.newFixedThreadPool(3)) {
      List<Future<CallResult>> calls = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        calls.add(
            callers.submit(() -> manager.generate(A, "sample", "", "{}", text -> late.add(text))));
      }
      try {
        assertThat(tool.begun.await(60, TimeUnit.SECONDS)).isTrue();
        assertThat(stats().openSequences()).isEqualTo(3);
        manager.remove(A);
        assertThat(manager.has(A)).isFalse();
        assertNothingIsLeft();
        assertThatThrownBy(() -> ask(A)).satisfies(e -> assertCode(e, "NO_REALM"));
      } finally {
        tool.released.countDown();
      }
      for (Future<CallResult> call : calls) {
        assertThatThrownBy(() -> call.get(60, TimeUnit.SECONDS))
            .isInstanceOf(ExecutionException.class)
            .satisfies(e -> assertCode(e.getCause(), "GUEST_CANCELLED"));
      }
    }
    assertThat(late).isEmpty();
    assertNothingIsLeft();
  }

  /// Removing again finds it gone; the tenant may come back while its last call is not over.
  @Test
  void removedTenantMayComeBackBesideItsStuckCall() throws Exception {
    Stubborn tool = new Stubborn(1);
    manager.create(A, FREE.withTools(new GuestTools(Map.of("t", tool))));
    manager.deploy(A, callingATool());
    try (ExecutorService callers = Executors.newFixedThreadPool(1)) {
      Future<CallResult> call =
          callers.submit(() -> manager.generate(A, "sample", "", "{}", GuestOutput.discard()));
      try {
        assertThat(tool.begun.await(60, TimeUnit.SECONDS)).isTrue();
        manager.remove(A);
        manager.remove(A);
        manager.create(A, FREE);
        assertThat(ask(A).newTokens()).isPositive();
      } finally {
        tool.released.countDown();
      }
      assertThatThrownBy(() -> call.get(60, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class);
    }
    assertThat(stats().tenants()).isEqualTo(1);
    assertThat(ask(A).newTokens()).isPositive();
  }

  private static final Set<String> ENDS = Set.of("NO_REALM", "GUEST_CANCELLED", "DEPLOY_PENDING");

  /// Counts how an act ended; anything but what a removal explains fails the test.
  private static void act(Map<String, AtomicInteger> ends, Runnable act) {
    String end = "done";
    try {
      act.run();
    } catch (RealmException e) {
      if (!ENDS.contains(e.code())) {
        throw e;
      }
      end = e.code();
    }
    ends.computeIfAbsent(end, e -> new AtomicInteger()).incrementAndGet();
  }

  @Test
  void removesThatRaceCallsAndDeploymentsLeaveNothing() throws Exception {
    byte[] guest = ExampleGuest.bytes("vote");
    ask(B, true);
    manager.remove(B);
    AtomicBoolean over = new AtomicBoolean();
    Map<String, AtomicInteger> ends = new ConcurrentHashMap<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(6)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        all.add(
            threads.submit(() -> {
              while (!over.get()) {
                act(ends, () -> ask(A));
              }
            }));
      }
      all.add(
          threads.submit(() -> {
            while (!over.get()) {
              act(ends, () -> manager.deploy(A, DefaultGuest.bytes()));
              act(ends, () -> manager.deploy(A, guest));
              act(ends, () -> manager.undeploy(A));
            }
          }));
      try {
        for (int round = 0; round < 60; round++) {
          manager.create(A, FREE);
          int seen = done(ends);
          while (done(ends) < seen + 1 + round % 4 && all.stream().noneMatch(Future::isDone)) {
            Thread.onSpinWait();
          }
          manager.remove(A);
        }
      } finally {
        over.set(true);
      }
      for (Future<?> one : all) {
        one.get(60, TimeUnit.SECONDS);
      }
    }
    assertNothingIsLeft();
  }

  private static int done(Map<String, AtomicInteger> ends) {
    AtomicInteger count = ends.get("done");
    return count == null ? 0 : count.get();
  }

  private void ask(TenantId tenant, boolean fresh) {
    if (fresh) {
      manager.create(tenant, FREE);
    }
    ask(tenant);
  }
}
