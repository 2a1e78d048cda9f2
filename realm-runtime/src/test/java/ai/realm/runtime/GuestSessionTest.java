package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A running guest whose calls fail, do not stop, or call it again.
@Timeout(120)
final class GuestSessionTest extends SampleFixture {
  private final RuntimeConfig config =
      builder().maxContext(256).sequences(8).memory64Bytes(0).build();
  private final ModelCatalog models = new ModelCatalog(config);
  private final Memory64Manager memory64 = RealmRuntime.newMemory64(config);

  @AfterEach
  void close() {
    models.close();
    memory64.close();
  }

  private Realm realm(GuestLimits limits, Map<String, UnaryOperator<String>> tools) {
    return new Realm(
        new TenantId("t"),
        ResourceLimits.unbounded(limits),
        models,
        memory64,
        new GuestTools(tools));
  }

  private static GuestSession session(Realm realm, byte[] guest) {
    return new GuestSession(realm, new EndiveGuestEngine().load(guest, GuestLimits.DEFAULT));
  }

  private static void assertCode(Throwable failure, String code) {
    assertThat(failure)
        .isInstanceOfSatisfying(RealmException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  private static CallResult call(GuestSession session, String name, Object... arguments) {
    return session.call(name, GuestOutput.discard(), arguments);
  }

  private static void await(CountDownLatch latch) {
    boolean interrupted = false;
    while (true) {
      try {
        latch.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /// `open` opens the model and a sequence; `call_a` and `call_b` call the tool of that letter, then emit it
  /// and open another sequence; `rest` gives 7.
  private static byte[] guest() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int sequence = module.importFunction("realm_host", "kv_new", 1);
    int tool = module.importFunction("realm_host", "tool_call", 4);
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    Code opens = new Code().constant(0).constant(0).constant(64).call(argument).drop();
    opens.constant(0).constant(6).call(open).call(sequence);
    module.function("open", 0, 0, opens);
    for (char letter : new char[] {'a', 'b'}) {
      Code code = new Code().storeConstant(64, letter).constant(64).constant(1);
      code.constant(64).constant(1).call(tool).drop();
      code.storeConstant(64, letter).constant(64).constant(1).call(emit).drop().append(opens);
      module.function("call_" + letter, 0, 0, code);
    }
    module.function("rest", 0, 0, new Code().constant(7));
    return module.build();
  }

  private int openSequences() throws Exception {
    return models.find("sample", System.nanoTime()).host().engine().stats().openSequences();
  }

  @Test
  void aCallThatFailsBeforeItBeginsKeepsNobodyOut() throws Exception {
    Object unspeakable =
        new Object() {
          @Override
          public String toString() {
            throw new IllegalArgumentException("no text");
          }
        };
    try (GuestSession session = session(realm(GuestLimits.DEFAULT, Map.of()), guest());
        ExecutorService other = Executors.newSingleThreadExecutor()) {
      assertThatThrownBy(() -> call(session, "rest", unspeakable)).hasMessage("no text");
      Future<CallResult> next = other.submit(() -> call(session, "rest"));
      assertThat(next.get(60, TimeUnit.SECONDS).value()).isEqualTo(7);
    }
  }

  /// The first call's tool ends while the second call waits in its own: what the first guest does then must
  /// not be the second's.
  @Test
  void guestThatDidNotStopSharesNothingWithTheNextCall() throws Exception {
    CountDownLatch firstMayEnd = new CountDownLatch(1);
    AtomicReference<Thread> first = new AtomicReference<>();
    AtomicInteger openedLate = new AtomicInteger(-1);
    StringBuilder emitted = new StringBuilder();
    UnaryOperator<String> a =
        text -> {
          first.set(Thread.currentThread());
          await(firstMayEnd);
          return "";
        };
    UnaryOperator<String> b =
        text -> {
          firstMayEnd.countDown();
          try {
            assertThat(first.get().join(Duration.ofSeconds(30))).isTrue();
            openedLate.set(openSequences());
          } catch (Exception e) {
            throw new AssertionError(e);
          }
          return "";
        };
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(1500));
    Realm realm = realm(limits, Map.of("a", a, "b", b));
    models.find("sample", System.nanoTime() + TimeUnit.SECONDS.toNanos(60));
    try (GuestSession session = session(realm, guest())) {
      call(session, "open", "sample");
      assertThat(openSequences()).isEqualTo(1);
      assertThatThrownBy(() -> session.call("call_a", text -> emitted.append(text), "sample"))
          .satisfies(e -> assertCode(e, "GUEST_STUCK"));
      assertThat(openSequences()).as("closed under the guest that does not stop").isZero();
      assertThat(realm.memory().used()).as("memory that is still used").isPositive();
      CallResult next = session.call("call_b", text -> emitted.append(text), "sample");
      assertThat(openedLate.get()).as("open when the first guest ended").isZero();
      assertThat(next.text()).isEqualTo("b");
      assertThat(emitted.toString()).isEqualTo("b");
      assertThat(openSequences()).as("what the second opened").isEqualTo(1);
      assertThat(realm.memory().used()).as("the second's memory alone").isEqualTo(65_536);
    }
    assertThat(openSequences()).isZero();
    assertThat(realm.memory().used()).isZero();
    realm.close();
  }

  /// A tool that needs several interrupts: closing sends them until it heeds one.
  @Test
  void closingInterruptsAgainWhatSwallowsInterrupts() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    UnaryOperator<String> a =
        text -> {
          begun.countDown();
          for (int i = 0; i < 5; i++) {
            try {
              assertThat(new CountDownLatch(1).await(60, TimeUnit.SECONDS)).isTrue();
            } catch (InterruptedException e) {
              // Not how one treats an interrupt.
            }
          }
          return "";
        };
    try (GuestSession session = session(realm(GuestLimits.DEFAULT, Map.of("a", a)), guest());
        ExecutorService caller = Executors.newSingleThreadExecutor()) {
      Future<CallResult> call = caller.submit(() -> call(session, "call_a", "sample"));
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      session.close();
      assertThatThrownBy(() -> call.get(30, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .satisfies(e -> assertCode(e.getCause(), "GUEST_CANCELLED"));
    }
  }

  @Test
  void closedSessionTakesNoCall() {
    GuestSession session = session(realm(GuestLimits.DEFAULT, Map.of()), guest());
    assertThat(call(session, "rest").value()).isEqualTo(7);
    session.close();
    assertThatThrownBy(() -> call(session, "rest"))
        .satisfies(e -> assertCode(e, "GUEST_CANCELLED"));
  }

  @Test
  void toolThatCallsTheGuestThatWaitsForItIsRefused() {
    AtomicReference<GuestSession> self = new AtomicReference<>();
    UnaryOperator<String> a = text -> Long.toString(call(self.get(), "rest").value());
    try (GuestSession session = session(realm(GuestLimits.DEFAULT, Map.of("a", a)), guest())) {
      self.set(session);
      assertThatThrownBy(() -> call(session, "call_a", "sample"))
          .satisfies(e -> assertCode(e, "GUEST_BUSY"));
      assertThat(call(session, "rest").value()).isEqualTo(7);
    }
  }

  @Test
  void toolMayCallAnotherGuestAndFailsUnderItsOwnName() {
    Realm realm = realm(GuestLimits.DEFAULT, Map.of());
    try (GuestSession other = session(realm, guest())) {
      UnaryOperator<String> a = text -> Long.toString(call(other, "rest").value());
      UnaryOperator<String> b = text -> Long.toString(call(other, "none").value());
      try (GuestSession session =
          session(realm(GuestLimits.DEFAULT, Map.of("a", a, "b", b)), guest())) {
        assertThat(call(session, "call_a", "sample").text()).isEqualTo("a");
        assertThatThrownBy(() -> call(session, "call_b", "sample"))
            .satisfies(e -> assertCode(e, "TOOL_FAILED"))
            .hasCauseInstanceOf(GuestFormatException.class);
      }
    }
  }

  /// A guest whose tool generates with the same guest again.
  @Test
  void guestsInEachOthersToolsAreBounded() {
    TenantId tenant = new TenantId("nests");
    WasmModuleBuilder module = new WasmModuleBuilder();
    int tool = module.importFunction("realm_host", "tool_call", 4);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    Code code = new Code().storeConstant(0, 'a').constant(0).constant(1).constant(0).constant(1);
    module.function("generate", 1, 0, code.call(tool).drop().constant(0));
    AtomicInteger calls = new AtomicInteger();
    AtomicReference<RealmException> refusal = new AtomicReference<>();
    try (MultiRealmManager manager = new MultiRealmManager(config, DefaultGuest.bytes())) {
      UnaryOperator<String> again =
          text -> {
            calls.incrementAndGet();
            try {
              manager.generate(tenant, "sample", "", "{}", GuestOutput.discard());
            } catch (RealmException e) {
              refusal.compareAndSet(null, e);
            }
            return "";
          };
      manager.create(
          tenant,
          RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT))
              .withTools(new GuestTools(Map.of("a", again))));
      manager.deploy(tenant, module.build());
      assertThat(manager.generate(tenant, "sample", "", "{}", GuestOutput.discard()).value())
          .isZero();
      assertThat(calls.get()).isEqualTo(NestedCalls.MAX_DEPTH);
      assertCode(refusal.get(), "CALL_DEPTH");
      assertThat(manager.status(tenant).breakerOpen()).isFalse();
    }
  }
}
