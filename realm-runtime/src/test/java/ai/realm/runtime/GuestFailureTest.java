package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.EngineException;
import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What counts as a failure of a tenant's guest: what it did, and nothing that befell it.
@Timeout(120)
final class GuestFailureTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final Duration LONG = Duration.ofHours(1);

  @AutoClose
  private final MultiRealmManager manager =
      new MultiRealmManager(
          builder().maxContext(256).sequences(4).memory64Bytes(0).build(), DefaultGuest.bytes());

  // ---- one by one -------------------------------------------------------------------------------

  @ParameterizedTest
  @ValueSource(
      strings = {
        "GUEST_TRAP",
        "GUEST_MEMORY",
        "GUEST_CPU",
        "GUEST_STUCK",
        "OUTPUT_LIMIT",
        "WORKER_LOST"
      })
  void theseTrapsAreTheGuests(String code) {
    assertThat(GuestVerdict.of(new GuestTrapException(code, "x"))).isEqualTo(GuestVerdict.FAILED);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "MEMORY_LIMIT",
        "HOST_CALL_RATE",
        "CPU_RATE",
        "GUEST_DEADLINE",
        "GUEST_CANCELLED",
        "TOOL_FAILED"
      })
  void theseTrapsAreNot(String code) {
    assertThat(GuestVerdict.of(new GuestTrapException(code, "x"))).isEqualTo(GuestVerdict.NEITHER);
  }

  @Test
  void otherFailures() {
    assertThat(GuestVerdict.of(new GuestFormatException("x"))).isEqualTo(GuestVerdict.FAILED);
    assertThat(GuestVerdict.of(new IllegalStateException("host function step failed")))
        .isEqualTo(GuestVerdict.FAILED);
    assertThat(GuestVerdict.of(new EngineException("SAMPLING_FAILED", "x")))
        .isEqualTo(GuestVerdict.FAILED);
    for (String code : new String[] {"CANCELLED", "DEADLINE", "ENGINE_CLOSED", "ENGINE_FAILURE"}) {
      assertThat(GuestVerdict.of(new EngineException(code, "x"))).isEqualTo(GuestVerdict.NEITHER);
    }
    for (String code : new String[] {"QUEUE_FULL", "KV_LIMIT", "CONTEXT_FULL", "SEQUENCE_LIMIT"}) {
      assertThat(GuestVerdict.of(new AdmissionException(code, "x")))
          .isEqualTo(GuestVerdict.NEITHER);
    }
    assertThat(GuestVerdict.of(new LimitException("REQUEST_RATE", "x", 1)))
        .isEqualTo(GuestVerdict.NEITHER);
    assertThat(GuestVerdict.of(new UncheckedIOException(new IOException("gone"))))
        .isEqualTo(GuestVerdict.NEITHER);
  }

  @Test
  void resultsOfLoadModelAndGenerate() {
    assertThat(verdict(0, true, true)).isEqualTo(GuestVerdict.WORKS);
    assertThat(verdict(5, true, true)).isEqualTo(GuestVerdict.WORKS);
    assertThat(verdict(Errno.EINVAL, true, true)).isEqualTo(GuestVerdict.NEITHER);
    assertThat(verdict(Errno.EINVAL, false, true)).isEqualTo(GuestVerdict.FAILED);
    assertThat(verdict(Errno.ENOENT, false, true)).isEqualTo(GuestVerdict.FAILED);
    assertThat(verdict(Errno.ENOENT, false, false)).isEqualTo(GuestVerdict.NEITHER);
    assertThat(verdict(Errno.ECANCELED, false, true)).isEqualTo(GuestVerdict.NEITHER);
    assertThat(verdict(Errno.EDQUOT, false, true)).isEqualTo(GuestVerdict.NEITHER);
  }

  private static GuestVerdict verdict(int value, boolean loaded, boolean hasModel) {
    CallResult result = new CallResult(value, "", "", 0, 0, 0, 0, 0);
    return GuestVerdict.of(new LoadedGuest.Answer(result, loaded), hasModel);
  }

  // ---- through the manager ----------------------------------------------------------------------

  private CallResult ask(String model, GuestOutput output) {
    return manager.generate(A, model, "Hello", "{}", output);
  }

  private void askInVain(String code) {
    assertThatThrownBy(() -> ask("sample", GuestOutput.discard()))
        .isInstanceOfSatisfying(RealmException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  private void create(ResourceLimits limits) {
    manager.create(A, RealmPolicy.of(limits).withBreaker(2, LONG));
  }

  private boolean isOpen() {
    return manager.status(A).breakerOpen();
  }

  private static byte[] guest(Code loadModel, Code generate) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, loadModel);
    module.function("generate", 1, 0, generate);
    return module.build();
  }

  @Test
  void nothingStandsInUnlessThePolicySaysSo() {
    assertThat(RealmPolicy.of(ResourceLimits.builder().build()).fallback()).isFalse();
    create(ResourceLimits.builder().build());
    manager.deploy(A, guest(new Code().constant(1), new Code().unreachable().constant(0)));
    askInVain("GUEST_TRAP");
    askInVain("GUEST_TRAP");
    askInVain("GUEST_UNAVAILABLE");
  }

  @Test
  void guestThatNeverLoadsAModelFails() {
    create(ResourceLimits.builder().build());
    manager.deploy(A, guest(new Code().constant(Errno.EINVAL), new Code().constant(0)));
    assertThat(ask("sample", GuestOutput.discard()).value()).isEqualTo(Errno.EINVAL);
    assertThat(ask("sample", GuestOutput.discard()).value()).isEqualTo(Errno.EINVAL);
    assertThat(isOpen()).isTrue();
    askInVain("GUEST_UNAVAILABLE");
  }

  @Test
  void modelThatTheHostDoesNotHaveIsNotTheGuestsFault() {
    create(ResourceLimits.builder().build());
    manager.deploy(A, DefaultGuest.bytes());
    for (int i = 0; i < 3; i++) {
      assertThat(ask("other", GuestOutput.discard()).value()).isEqualTo(Errno.ENOENT);
    }
    assertThat(isOpen()).isFalse();
  }

  /// A mask without a bit.
  @Test
  void guestThatAllowsNoTokenFails() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int sequence = module.importFunction("realm_host", "kv_new", 1);
    int step = module.importFunction("realm_host", "step", 2);
    module.memory(1, 1);
    Code load = new Code().constant(0).constant(0).constant(64).call(argument).set(0);
    module.function("load_model", 0, 1, load.constant(0).get(0).call(open));
    Code code = new Code().get(0).call(sequence).set(1).storeLocal(1024, 1);
    code.storeConstant(2048, 5).storeConstant(1028, 2048).storeConstant(1032, 1);
    code.storeConstant(1036, 3000).storeConstant(1048, 4096);
    module.function("generate", 1, 1, code.constant(1024).constant(1).call(step));
    create(ResourceLimits.builder().build());
    manager.deploy(A, module.build());
    askInVain("SAMPLING_FAILED");
    askInVain("SAMPLING_FAILED");
    assertThat(isOpen()).isTrue();
  }

  @Test
  void ratesOfTheTenantDoNotOpenTheBreaker() {
    create(ResourceLimits.builder().hostCallsPerSecond(1).build());
    manager.deploy(A, DefaultGuest.bytes());
    for (int i = 0; i < 4; i++) {
      askInVain("HOST_CALL_RATE");
    }
    assertThat(isOpen()).isFalse();
  }

  private static byte[] saying() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    Code code = new Code().storeConstant(0, 'x').constant(0).constant(1).call(emit);
    module.function("generate", 1, 0, code);
    return module.build();
  }

  @Test
  void oneCallTooManyAtOnceDoesNotOpenTheBreaker() throws Exception {
    create(ResourceLimits.builder().memoryBytes(65_536).build());
    manager.deploy(A, saying());
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch refused = new CountDownLatch(1);
    GuestOutput slow =
        text -> {
          begun.countDown();
          try {
            assertThat(refused.await(60, TimeUnit.SECONDS)).isTrue();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        };
    try (ExecutorService caller = Executors.newSingleThreadExecutor()) {
      Future<CallResult> first = caller.submit(() -> ask("sample", slow));
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      for (int i = 0; i < 3; i++) {
        askInVain("MEMORY_LIMIT");
      }
      refused.countDown();
      assertThat(first.get(60, TimeUnit.SECONDS).text()).isEqualTo("x");
    }
    assertThat(isOpen()).isFalse();
  }

  @Test
  void receiverThatFailsIsNotTheGuestsFault() {
    create(ResourceLimits.builder().build());
    manager.deploy(A, saying());
    GuestOutput broken =
        text -> {
          throw new IllegalArgumentException("the receiver is broken");
        };
    for (int i = 0; i < 3; i++) {
      assertThatThrownBy(() -> ask("sample", broken)).isInstanceOf(IllegalStateException.class);
    }
    assertThat(isOpen()).isFalse();
  }

  private static int deep(int n) {
    return deep(n + 1) + n;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void toolThatFailsIsNotTheGuestsFault(boolean recurses) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int tool = module.importFunction("realm_host", "tool_call", 4);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    Code code = new Code().storeConstant(0, 't').constant(0).constant(1).constant(0).constant(1);
    module.function("generate", 1, 0, code.call(tool));
    GuestTools tools =
        new GuestTools(
            Map.of(
                "t",
                text -> {
                  if (recurses) {
                    return "" + deep(0);
                  }
                  throw new IllegalArgumentException("the tool is broken");
                }));
    ResourceLimits limits = ResourceLimits.builder().build();
    manager.create(A, RealmPolicy.of(limits).withTools(tools).withBreaker(2, LONG));
    manager.deploy(A, module.build());
    for (int i = 0; i < 3; i++) {
      askInVain("TOOL_FAILED");
    }
    assertThat(isOpen()).isFalse();
  }

  /// However instantiating ends: the instance that failed is not there to give its memory back.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void startFunctionWhoseToolFailsLeavesNoMemoryCharged(boolean limit) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int tool = module.importFunction("realm_host", "tool_call", 4);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, new Code().constant(0));
    Code code = new Code().storeConstant(0, 't').constant(0).constant(1).constant(0).constant(1);
    module.start(code.call(tool).drop());
    GuestTools tools =
        new GuestTools(
            Map.of(
                "t",
                text -> {
                  if (limit) {
                    throw new LimitException("REQUEST_RATE", "too many", 1);
                  }
                  throw new AssertionError("the tool is broken");
                }));
    ResourceLimits limits = ResourceLimits.builder().build();
    manager.create(A, RealmPolicy.of(limits).withTools(tools).withBreaker(2, LONG));
    manager.deploy(A, module.build());
    assertThatThrownBy(() -> ask("sample", GuestOutput.discard()))
        .isInstanceOf(limit ? LimitException.class : AssertionError.class);
    assertThat(manager.status(A).memoryBytes()).isZero();
  }
}
