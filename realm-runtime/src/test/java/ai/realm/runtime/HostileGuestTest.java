package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Guests that mean harm: cases W01 to W03 and W08 to W15 of the attack corpus. After each the runtime
/// answers the next call.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class HostileGuestTest extends SampleFixture {
  private static final Duration DEADLINE = Duration.ofMillis(300);

  /// A guard against hanging, not a bound: what stopping takes is measured by `./dev bench isolation`.
  private static final Duration HANG = Duration.ofSeconds(60);

  private static final Duration CPU_TIME = Duration.ofMillis(150);

  /// How much more than its CPU time a stopped guest may have used: it is looked at every 10 ms, and stops at its next
  /// branch or host call. In CPU time, which a busy machine does not lengthen as it does the time that passes.
  static final Duration STOP = Duration.ofMillis(100);

  private static final int MEMORY = 1 << 16;

  private RealmRuntime runtime(byte[] guest, ResourceLimits limits) {
    return runtime(guest, limits, GuestTools.NONE);
  }

  private RealmRuntime runtime(byte[] guest, ResourceLimits limits, GuestTools tools) {
    RealmRuntime runtime = new RealmRuntime(sample(), limits, tools);
    runtime.loadWasm(guest);
    return runtime;
  }

  private static ResourceLimits limits(GuestLimits guest) {
    return ResourceLimits.unbounded(guest);
  }

  private static WasmModuleBuilder module() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("rest", 0, 0, new Code().constant(7));
    return module;
  }

  // ---- W01, W02: what never ends
  // ------------------------------------------------------------------

  static Stream<Arguments> endless() {
    WasmModuleBuilder loop = module();
    loop.function("run", 0, 0, new Code().forever().constant(0));
    // Even and odd call each other 500 deep, without end.
    WasmModuleBuilder mutual = module();
    for (int other : new int[] {2, 1}) {
      Code down = new Code().get(0).raw(0x45, 0x04, 0x7f).constant(0).raw(0x05);
      down.get(0).constant(1).raw(0x6b).call(other).raw(0x0b);
      mutual.function(other == 2 ? "even" : "odd", 1, 0, down);
    }
    mutual.function(
        "run",
        0,
        0,
        new Code().raw(0x03, 0x40).constant(500).call(1).drop().raw(0x0c, 0, 0x0b).constant(0));
    WasmModuleBuilder calls = module();
    // Two functions in a loop of calls that return, so that no stack overflows.
    calls.function("leaf", 0, 0, new Code().constant(1));
    calls.function(
        "run", 0, 0, new Code().raw(0x03, 0x40).call(1).drop().raw(0x0c, 0, 0x0b).constant(0));
    WasmModuleBuilder tree = module();
    // f(n) = f(n - 1) + f(n - 1): 2^60 calls at a depth of 60.
    Code half = new Code().get(0).constant(1).raw(0x6b).call(1);
    tree.function(
        "branch",
        1,
        0,
        new Code()
            .get(0)
            .raw(0x45, 0x04, 0x7f)
            .constant(1)
            .raw(0x05)
            .append(half)
            .append(half)
            .raw(0x6a, 0x0b));
    tree.function("run", 0, 0, new Code().constant(60).call(1));
    WasmModuleBuilder fill = module();
    Code filling = new Code().constant(0).constant(1).constant(MEMORY).fill();
    fill.function(
        "run", 0, 0, new Code().raw(0x03, 0x40).append(filling).raw(0x0c, 0, 0x0b).constant(0));
    WasmModuleBuilder host = new WasmModuleBuilder();
    int version = host.importFunction("realm_host", "abi_version", 0);
    host.memory(1, 1);
    host.function("rest", 0, 0, new Code().constant(7));
    host.function(
        "run",
        0,
        0,
        new Code().raw(0x03, 0x40).call(version).drop().raw(0x0c, 0, 0x0b).constant(0));
    return Stream.of(
        Arguments.of("a loop", loop.build()),
        Arguments.of("calls in a loop", calls.build()),
        Arguments.of("two functions that call each other", mutual.build()),
        Arguments.of("an exponential call tree", tree.build()),
        Arguments.of("memory.fill in a loop", fill.build()),
        Arguments.of("host calls in a loop", host.build()));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("endless")
  void isStoppedAtItsDeadline(String name, byte[] guest) {
    try (RealmRuntime runtime =
        runtime(guest, limits(GuestLimits.DEFAULT.withDeadline(DEADLINE)))) {
      long started = System.nanoTime();
      assertThatThrownBy(() -> runtime.callFunction("run"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_DEADLINE"));
      assertThat(Duration.ofNanos(System.nanoTime() - started)).isBetween(DEADLINE, HANG);
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
      assertThat(runtime.usage().failed()).isEqualTo(1);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("endless")
  void isStoppedWhenItsCpuTimeIsUsedUp(String name, byte[] guest) {
    try (RealmRuntime runtime = runtime(guest, limits(GuestLimits.DEFAULT.withCpuTime(CPU_TIME)))) {
      assertThatThrownBy(() -> runtime.callFunction("run"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_CPU"));
      assertThat(Duration.ofNanos(runtime.usage().cpuNanos()))
          .isBetween(CPU_TIME, CPU_TIME.plus(STOP));
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
    }
  }

  @Test
  void tenantsCpuTimeOfASecondIsBounded() {
    WasmModuleBuilder loop = module();
    loop.function("run", 0, 0, new Code().forever().constant(0));
    ResourceLimits limits = ResourceLimits.builder().cpuMillisPerSecond(100).build();
    try (RealmRuntime runtime = runtime(loop.build(), limits)) {
      assertThatThrownBy(() -> runtime.callFunction("run"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("CPU_RATE"));
    }
  }

  @Test
  void startFunctionThatLoopsIsStopped() {
    byte[] guest = module().start(new Code().forever()).build();
    try (RealmRuntime runtime =
        runtime(guest, limits(GuestLimits.DEFAULT.withDeadline(DEADLINE)))) {
      assertThatThrownBy(() -> runtime.callFunction("rest"))
          .isInstanceOf(GuestTrapException.class)
          .hasMessageContaining("time for the call");
    }
  }

  // ---- W03: what goes deep
  // ------------------------------------------------------------------------

  @Test
  void recursionWithFatFramesTraps() {
    WasmModuleBuilder module = module();
    module.function("deep", 0, 1_900, new Code().call(1));
    try (RealmRuntime runtime = runtime(module.build(), limits(GuestLimits.DEFAULT))) {
      assertThatThrownBy(() -> runtime.callFunction("deep"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_TRAP"));
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
    }
  }

  // ---- W09: every host function with every kind of pointer and length
  // -----------------------------

  private static final int[] EXTREMES = {
    0, 1, 3, -1, 16, Integer.MAX_VALUE, Integer.MIN_VALUE, MEMORY - 1, MEMORY, MEMORY + 1, -MEMORY
  };

  /// Names of all host functions with their numbers of parameters.
  Stream<String> functions() {
    try (RealmRuntime runtime = runtime(module().build(), limits(GuestLimits.DEFAULT))) {
      return runtime.hostFunctions().stream().map(f -> f.name() + " " + f.parameters());
    }
  }

  /// Each pair of arguments takes each pair of extremes, the others stay at small values and at an open
  /// handle: either the guest gets a number, or it traps; the host never fails. That it writes nothing but
  /// what was passed is for [HostFunctionPointersTest] to see.
  @ParameterizedTest(name = "{0}")
  @MethodSource("functions")
  void anyArgumentsGiveANumberOrTrapTheGuest(String function) {
    String name = function.substring(0, function.indexOf(' '));
    int parameters = Integer.parseInt(function.substring(function.indexOf(' ') + 1));
    try (RealmRuntime runtime = runtime(caller(name, parameters), limits(GuestLimits.DEFAULT))) {
      long model = open(runtime);
      int traps = 0;
      int numbers = 0;
      for (int i = 0; i < parameters; i++) {
        for (int j = i + 1; j <= parameters; j++) {
          for (int x : EXTREMES) {
            for (int y : EXTREMES) {
              Object[] arguments = new Object[parameters];
              for (int k = 0; k < parameters; k++) {
                arguments[k] = k == 0 ? (int) model : 16;
              }
              arguments[i] = x;
              if (j < parameters) {
                arguments[j] = y;
              } else if (y != 0) {
                continue;
              }
              try {
                runtime.callFunction("call", arguments);
                numbers++;
              } catch (GuestTrapException e) {
                assertThat(e.code()).isIn("GUEST_MEMORY");
                traps++;
                model = open(runtime);
              } catch (RealmException e) {
                // An error number with its reason.
                assertThat(e.code()).isIn("GRAMMAR_INVALID", "SAMPLER_INVALID");
                numbers++;
              }
            }
          }
        }
      }
      assertThat(numbers + traps).isGreaterThanOrEqualTo(parameters == 0 ? 0 : EXTREMES.length);
    }
  }

  private static long open(RealmRuntime runtime) {
    return runtime.callFunction("open", "sample").value();
  }

  private static byte[] caller(String name, int parameters) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int function = module.importFunction("realm_host", name, parameters);
    module.memory(1, 1);
    Code opening = new Code().constant(0).constant(1024).constant(64).call(argument).drop();
    module.function("open", 0, 0, opening.constant(1024).constant(6).call(open));
    Code call = new Code();
    for (int i = 0; i < parameters; i++) {
      call.get(i);
    }
    module.function("call", parameters, 0, call.call(function));
    return module.build();
  }

  // ---- W11: handles; see HostileHandleTest too
  // ----------------------------------------------------

  @Test
  void freedHandlesStayUnknown() {
    try (RealmRuntime runtime = runtime(caller("model_close", 1), limits(GuestLimits.DEFAULT))) {
      long model = open(runtime);
      assertThat(runtime.callFunction("call", model).value()).isZero();
      assertThat(runtime.callFunction("call", model).value()).isEqualTo(Errno.EBADF);
    }
  }

  @Test
  void handlesOfOneRealmMeanNothingInAnother() {
    try (RealmRuntime one = runtime(caller("kv_new", 1), limits(GuestLimits.DEFAULT));
        RealmRuntime other = runtime(caller("kv_new", 1), limits(GuestLimits.DEFAULT))) {
      long model = open(one);
      assertThat(other.callFunction("call", model).value()).isEqualTo(Errno.EBADF);
      assertThat(one.callFunction("call", model).value()).isPositive();
    }
  }

  @Test
  void handlesAreBounded() {
    try (RealmRuntime runtime = runtime(caller("kv_new", 1), limits(GuestLimits.DEFAULT))) {
      long model = open(runtime);
      for (int i = 1; i < GuestLimits.DEFAULT.maxHandles(); i++) {
        assertThat(runtime.callFunction("call", model).value()).isPositive();
      }
      assertThatThrownBy(() -> runtime.callFunction("call", model))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("HANDLE_LIMIT"));
    }
  }

  // ---- W13: floods
  // --------------------------------------------------------------------------------

  @Test
  void hostCallFloodIsStopped() {
    WasmModuleBuilder host = new WasmModuleBuilder();
    int version = host.importFunction("realm_host", "abi_version", 0);
    host.memory(1, 1);
    host.function(
        "run",
        0,
        0,
        new Code().raw(0x03, 0x40).call(version).drop().raw(0x0c, 0, 0x0b).constant(0));
    ResourceLimits limits = ResourceLimits.builder().hostCallsPerSecond(1000).build();
    try (RealmRuntime runtime = runtime(host.build(), limits)) {
      assertThatThrownBy(() -> runtime.callFunction("run"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("HOST_CALL_RATE"));
      // The rate refills while the flood runs.
      assertThat(runtime.usage().hostCalls()).isBetween(1001L, 2001L);
    }
  }

  @Test
  void logIsCutAndLosesItsControlCharacters() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int log = module.importFunction("realm_host", "log", 3);
    module.memory(1, 1);
    Code code = new Code().constant(0).constant(0).constant(60_000).call(argument).set(0);
    module.function("say", 0, 1, code.constant(1).constant(0).get(0).call(log));
    List<String> lines = new ArrayList<>();
    GuestOutput output =
        new GuestOutput() {
          @Override
          public void text(String text) {}

          @Override
          public void log(int level, String line) {
            lines.add(level + " " + line);
          }
        };
    ResourceLimits limits = limits(GuestLimits.DEFAULT.withLogBytes(100));
    try (RealmRuntime runtime = runtime(module.build(), limits)) {
      String ansi = "fine\n2026 FORGED\u001b[31m";
      assertThat(runtime.callFunction("say", output, ansi).value()).isZero();
      assertThat(lines).containsExactly("1 fine\ufffd2026 FORGED\ufffd[31m");
      assertThat(runtime.callFunction("say", output, "x".repeat(50_000)).value()).isZero();
      assertThat(lines.getLast()).hasSize(2 + 100 - Call.RECORD_BYTES);
      assertThat(runtime.usage().logBytes()).isEqualTo(50_000 + ansi.length());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 1792, Integer.MAX_VALUE, Integer.MIN_VALUE})
  void tokenIdsOutOfRangeAreRefused(int token) {
    for (String function : new String[] {"token_bytes 4", "token_flags 2"}) {
      String name = function.substring(0, function.indexOf(' '));
      int parameters = Integer.parseInt(function.substring(function.indexOf(' ') + 1));
      try (RealmRuntime runtime = runtime(caller(name, parameters), limits(GuestLimits.DEFAULT))) {
        Object[] arguments = new Object[parameters];
        Arrays.fill(arguments, 16);
        arguments[0] = open(runtime);
        arguments[1] = token;
        assertThat(runtime.callFunction("call", arguments).value()).isEqualTo(Errno.EINVAL);
      }
    }
  }

  // ---- W17: what a guest is not given
  // -------------------------------------------------------------

  @ParameterizedTest
  @ValueSource(strings = {"fd_write", "path_open", "environ_get", "clock_time_get", "sock_accept"})
  void wasiIsNotThere(String function) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.importFunction("wasi_snapshot_preview1", function, 4);
    module.memory(1, 1);
    module.function("rest", 0, 0, new Code().constant(7));
    try (RealmRuntime runtime = runtime(module.build(), limits(GuestLimits.DEFAULT))) {
      assertThatThrownBy(() -> runtime.callFunction("rest"))
          .isInstanceOf(GuestFormatException.class)
          .hasMessageContaining("the host has no such function");
    }
  }

  @Test
  void toolsAreThereForWhoeverIsGivenThem() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int call = module.importFunction("realm_host", "tool_call", 4);
    int read = module.importFunction("realm_host", "blob_read", 4);
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    Code code = new Code().constant(0).constant(0).constant(100).call(argument).set(0);
    code.constant(1).constant(100).constant(100).call(argument).set(1);
    code.constant(0).get(0).constant(100).get(1).call(call).set(2);
    code.get(2).constant(0).raw(0x48, 0x04, 0x40).get(2).raw(0x0f, 0x0b);
    code.get(2).constant(0).constant(200).constant(100).call(read).set(3);
    code.constant(200).get(3).call(emit);
    module.function("use", 0, 4, code);
    GuestTools tools = new GuestTools(Map.of("upper", text -> text.toUpperCase(Locale.ROOT)));
    try (RealmRuntime runtime = runtime(module.build(), limits(GuestLimits.DEFAULT), tools)) {
      assertThat(runtime.callFunction("use", "upper", "quiet").text()).isEqualTo("QUIET");
      assertThat(runtime.callFunction("use", "lower", "quiet").value()).isEqualTo(Errno.ENOENT);
    }
  }

  @Test
  void storeOfARealmOutlivesCallsAndIsBounded() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int put = module.importFunction("realm_host", "kvs_put", 4);
    int get = module.importFunction("realm_host", "kvs_get", 4);
    module.memory(1, 1);
    Code keep = new Code().storeConstant(16, 4711).constant(0).constant(3).constant(16);
    module.function("keep", 1, 0, keep.get(0).call(put));
    Code recall = new Code().constant(0).constant(3).constant(64).constant(4).call(get).drop();
    module.function("recall", 0, 0, recall.constant(64).load());
    module.function("crash", 0, 0, new Code().unreachable());
    ResourceLimits limits = ResourceLimits.builder().storeBytes(1000).build();
    try (RealmRuntime runtime = runtime(module.build(), limits)) {
      assertThat(runtime.callFunction("keep", 4).value()).isZero();
      assertThatThrownBy(() -> runtime.callFunction("crash"))
          .isInstanceOf(GuestTrapException.class);
      assertThat(runtime.callFunction("recall").value()).isEqualTo(4711);
      assertThatThrownBy(() -> runtime.callFunction("keep", 2000))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("STORE_LIMIT"));
      assertThat(runtime.callFunction("recall").value()).isEqualTo(4711);
    }
  }

  @Test
  void memoryOfAllInstancesIsCharged() {
    ResourceLimits limits = ResourceLimits.builder().memoryBytes(MEMORY - 1).build();
    try (RealmRuntime runtime = runtime(module().build(), limits)) {
      assertThatThrownBy(() -> runtime.callFunction("rest"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("MEMORY_LIMIT"));
    }
  }
}
