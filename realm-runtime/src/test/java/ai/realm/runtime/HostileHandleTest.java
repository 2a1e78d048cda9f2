package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// W11 and W15: handles that a guest guesses, has freed, or had before it trapped.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class HostileHandleTest extends SampleFixture {
  private RealmRuntime runtime(ResourceLimits limits) {
    return new RealmRuntime(sample(), limits, GuestTools.NONE);
  }

  /// The guest itself asks for each of the first 65,536 numbers, with things of every kind open.
  @ParameterizedTest
  @CsvSource({
    "kv_len, 1",
    "kv_free, 1",
    "kv_fork, 1",
    "model_close, 1",
    "step_wait, 2",
    "blob_free, 1",
    "grammar_free, 1",
    "matcher_status, 1",
    "matcher_free, 1",
    "sampler_free, 1"
  })
  void sweptHandlesAreAllUnknown(String name, int parameters) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int fresh = module.importFunction("realm_host", "kv_new", 1);
    int function = module.importFunction("realm_host", name, parameters);
    module.memory(1, 1);
    Code opening = new Code().constant(0).constant(1024).constant(64).call(argument).drop();
    module.function("open", 0, 0, opening.constant(1024).constant(6).call(open).call(fresh));
    // For i from 65,535 down to 0: count those that are not EBADF.
    Code sweep = new Code().constant(65_535).set(0).raw(0x03, 0x40).get(0);
    for (int i = 1; i < parameters; i++) {
      sweep.constant(0);
    }
    sweep.call(function).constant(Errno.EBADF).raw(0x47).get(1).raw(0x6a).set(1);
    sweep.get(0).constant(1).raw(0x6b).raw(0x22, 0).constant(0).raw(0x4e, 0x0d, 0, 0x0b).get(1);
    module.function("sweep", 0, 2, sweep);
    try (RealmRuntime runtime = runtime(ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      runtime.loadWasm(module.build());
      assertThat(runtime.callFunction("open", "sample").value()).isPositive();
      assertThat(runtime.callFunction("sweep").value()).isZero();
      assertThat(runtime.usage().hostCalls()).isGreaterThanOrEqualTo(65_536);
    }
  }

  @Test
  void handlesAndTicketsAreNeverUsedAgain() {
    try (RealmRuntime runtime = runtime(ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      HostCaller guest =
          HostCaller.of(
              runtime,
              HostCaller.guest(
                  Map.of(
                      "kv_new", 1, "kv_free", 1, "kv_len", 1, "step_submit", 2, "step_wait", 2)));
      int model = guest.open("sample");
      Set<Integer> seen = new HashSet<>(Set.of(model));
      for (int i = 0; i < 200; i++) {
        int kv = guest.call("kv_new", model);
        assertThat(seen.add(kv)).isTrue();
        guest.poke(512, kv, 600, 1, 700, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        guest.poke(600, 1);
        int ticket = guest.call("step_submit", 512, 1);
        assertThat(seen.add(ticket)).isTrue();
        assertThat(guest.call("step_wait", ticket, 60_000)).isZero();
        assertThat(guest.call("step_wait", ticket, 0)).isEqualTo(Errno.EBADF);
        assertThat(guest.call("kv_free", kv)).isZero();
        assertThat(guest.call("kv_len", kv)).isEqualTo(Errno.EBADF);
      }
    }
  }

  /// W15. What a guest had open when it trapped is closed: the only sequence that it may have is free again.
  @Test
  void trapClosesWhatTheGuestHadOpen() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int fresh = module.importFunction("realm_host", "kv_new", 1);
    int length = module.importFunction("realm_host", "kv_len", 1);
    module.memory(1, 1);
    Code opening = new Code().constant(0).constant(1024).constant(64).call(argument).drop();
    module.function("open", 0, 0, opening.constant(1024).constant(6).call(open).call(fresh));
    module.function("length", 1, 0, new Code().get(0).call(length));
    module.function("crash", 0, 0, new Code().unreachable());
    ResourceLimits limits = ResourceLimits.builder().maxSequences(1).build();
    try (RealmRuntime runtime = runtime(limits)) {
      runtime.loadWasm(module.build());
      for (int i = 0; i < 5; i++) {
        long kv = runtime.callFunction("open", "sample").value();
        assertThat(kv).isPositive();
        assertThat(runtime.callFunction("length", (int) kv).value()).isZero();
        assertThatThrownBy(() -> runtime.callFunction("open", "sample"))
            .isInstanceOfSatisfying(
                RealmException.class, e -> assertThat(e.code()).isEqualTo("SEQUENCE_LIMIT"));
        assertThatThrownBy(() -> runtime.callFunction("crash"))
            .isInstanceOf(GuestTrapException.class);
        assertThat(runtime.callFunction("length", (int) kv).value()).isEqualTo(Errno.EBADF);
      }
    }
  }
}
