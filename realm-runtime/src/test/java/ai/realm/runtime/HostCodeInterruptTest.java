package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// W02: a guest that calls one host function after another and looks at no result. Wherever the interrupt
/// meets the host's code, the guest ends.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class HostCodeInterruptTest extends SampleFixture {
  /// A guard against hanging, not a bound.
  private static final Duration HANG = Duration.ofSeconds(60);

  private static final int TEXT = 1024;
  private static final int RECORD = 512;

  /// A guest whose `run(model, text)` calls that for ever.
  private static byte[] guest(String what) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int close = module.importFunction("realm_host", "model_close", 1);
    int fresh = module.importFunction("realm_host", "kv_new", 1);
    int cut = module.importFunction("realm_host", "kv_truncate", 2);
    int step = module.importFunction("realm_host", "step", 2);
    int submit = module.importFunction("realm_host", "step_submit", 2);
    int await = module.importFunction("realm_host", "step_wait", 2);
    int matmul = module.importFunction("realm_host", "candle_matmul", 8);
    int tool = module.importFunction("realm_host", "tool_call", 4);
    int free = module.importFunction("realm_host", "blob_free", 1);
    int grammar = module.importFunction("realm_host", "grammar_compile", 3);
    int newMatcher = module.importFunction("realm_host", "matcher_new", 2);
    int fork = module.importFunction("realm_host", "matcher_fork", 1);
    int mask = module.importFunction("realm_host", "matcher_mask", 3);
    int freeMatcher = module.importFunction("realm_host", "matcher_free", 1);
    module.memory(64, 64);
    module.function("rest", 0, 0, new Code().constant(7));
    int model = 0;
    int text = 1;
    int kv = 2;
    int matcher = 3;
    int other = 4;
    Code run = new Code().constant(0).constant(TEXT).constant(100).call(argument).drop();
    run.constant(TEXT).constant(6).call(open).set(model);
    run.constant(1).constant(TEXT).constant(8192).call(argument).set(text);
    run.get(model).call(fresh).set(kv).storeLocal(RECORD, kv);
    run.storeConstant(RECORD + 4, 600).storeConstant(RECORD + 8, 1).storeConstant(RECORD + 12, 700);
    run.storeConstant(600, 1);
    if (what.equals("matcher_mask")) {
      run.constant(2).constant(TEXT).get(text).call(grammar).get(model).call(newMatcher);
      // Without a matcher it traps: `if (matcher < 0) unreachable`.
      run.set(matcher).get(matcher).constant(0).raw(0x48, 0x04, 0x40).unreachable().raw(0x0b);
    }
    run.raw(0x03, 0x40);
    switch (what) {
      case "step" ->
          run.get(kv).constant(0).call(cut).drop().constant(RECORD).constant(1).call(step);
      case "step_wait" -> {
        run.get(kv).constant(0).call(cut).drop().constant(RECORD).constant(1).call(submit);
        run.constant(Integer.MAX_VALUE).call(await);
      }
      case "candle_matmul" -> {
        run.constant(0).constant(512 * 512).constant(1 << 20).constant(512 * 512);
        run.constant(512).constant(512).constant(512).constant(2 << 20).call(matmul);
      }
      case "tool_call" ->
          run.constant(TEXT).get(text).constant(TEXT).get(text).call(tool).call(free);
      case "grammar_compile" -> run.constant(2).constant(TEXT).get(text).call(grammar);
      case "matcher_mask" -> {
        run.get(matcher).call(fork).set(other);
        run.get(other).constant(4096).constant(4096).call(mask).drop().get(other).call(freeMatcher);
      }
      case "model_open" -> {
        // The name was overwritten by the text, which is the same here.
        run.constant(TEXT).get(text).call(open).call(close);
      }
      default -> throw new IllegalArgumentException(what);
    }
    module.function("run", 0, 5, run.drop().raw(0x0c, 0, 0x0b).constant(0));
    return module.build();
  }

  private static String text(String what) {
    return switch (what) {
      case "tool_call" -> "sleep";
      case "grammar_compile" -> "((((a|b){0,90}){0,90}){0,90})";
      case "matcher_mask" -> "((a|b)[a-z ]{0,60}){0,60}x";
      case "model_open" -> "sample";
      default -> "";
    };
  }

  /// Not how one treats an interrupt.
  private static String swallow(String text) {
    LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(HANG.toSeconds()));
    Thread.interrupted();
    return text;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "step",
        "step_wait",
        "candle_matmul",
        "tool_call",
        "grammar_compile",
        "matcher_mask",
        "model_open"
      })
  void guestThatIsInTheHostsCodeEnds(String what) {
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(400));
    GuestTools tools = new GuestTools(Map.of("sleep", HostCodeInterruptTest::swallow));
    try (RealmRuntime runtime =
        new RealmRuntime(sample(), ResourceLimits.unbounded(limits), tools)) {
      // The model is there before the time runs.
      runtime.loadWasm(HostCaller.guest(Map.of()));
      try {
        new HostCaller(runtime::callFunction).open("sample");
      } catch (GuestTrapException e) {
        // It takes longer on a busy machine, and is there all the same.
      }
      runtime.loadWasm(guest(what));
      assertThatThrownBy(() -> runtime.callFunction("run", "sample", text(what)))
          .isInstanceOfSatisfying(
              GuestTrapException.class,
              // A machine that is busy may be late to notice that the guest has stopped.
              e -> assertThat(e.code()).isIn("GUEST_DEADLINE", "GUEST_STUCK"));
      awaitEndOfGuests();
      assertThat(rest(runtime)).isEqualTo(7);
    }
  }

  /// What the next call answers, on a machine that may be too busy for the deadline of any.
  private static long rest(RealmRuntime runtime) {
    long giveUp = System.nanoTime() + HANG.toNanos();
    while (true) {
      try {
        return runtime.callFunction("rest").value();
      } catch (GuestTrapException e) {
        if (!e.code().equals("GUEST_DEADLINE") || System.nanoTime() - giveUp > 0) {
          throw e;
        }
      }
    }
  }

  /// No guest's thread runs on.
  private static void awaitEndOfGuests() {
    long giveUp = System.nanoTime() + HANG.toNanos();
    while (isAnyGuestAlive() && System.nanoTime() - giveUp < 0) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
    }
    assertThat(isAnyGuestAlive()).as("a guest's thread runs on").isFalse();
  }

  private static boolean isAnyGuestAlive() {
    return Thread.getAllStackTraces().keySet().stream()
        .anyMatch(thread -> thread.getName().equals("realm-default"));
  }
}
