package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// A guest in a worker does what it does in the host's process, and its end is not the host's.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class WorkerIsolationTest extends SampleFixture {
  private static final String FRANCE = "What is the capital of France?";

  private RealmRuntime runtime(byte[] guest, ResourceLimits limits) {
    RealmRuntime runtime = new RealmRuntime(sample(), limits, GuestTools.NONE, Isolation.worker());
    try {
      runtime.loadWasm(guest);
    } catch (RuntimeException e) {
      runtime.close();
      throw e;
    }
    return runtime;
  }

  @Test
  void defaultGuestAnswersFromAWorkerAsItDoesHere() {
    try (RealmRuntime runtime =
        runtime(DefaultGuest.bytes(), ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      for (int i = 0; i < 3; i++) {
        long model = runtime.callFunction("load_model", "sample", "{}").value();
        CallResult result = runtime.callFunction("generate", model, FRANCE, "{}");
        assertThat(result.text()).isEqualTo("The capital of France is Paris.");
        assertThat(result.newTokens()).isEqualTo(7);
      }
    }
  }

  private static void assertCode(Throwable failure, String code) {
    assertThat(failure)
        .isInstanceOfSatisfying(
            GuestTrapException.class, e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code));
  }

  static Stream<Arguments> endless() {
    return HostileGuestTest.endless();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("endless")
  void endlessGuestIsStoppedAndTheNextCallAnswers(String name, byte[] guest) {
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(1500));
    try (RealmRuntime runtime = runtime(guest, ResourceLimits.unbounded(limits))) {
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
      assertThatThrownBy(() -> runtime.callFunction("run"))
          .satisfies(e -> assertCode(e, "GUEST_DEADLINE"));
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("endless")
  void cpuTimeInTheWorkerIsTheCalls(String name, byte[] guest) {
    Duration limit = Duration.ofMillis(150);
    GuestLimits limits = GuestLimits.DEFAULT.withCpuTime(limit);
    try (RealmRuntime runtime = runtime(guest, ResourceLimits.unbounded(limits))) {
      assertThatThrownBy(() -> runtime.callFunction("run"))
          .satisfies(e -> assertCode(e, "GUEST_CPU"));
      // What starting the worker and compiling took was the deployment's.
      assertThat(Duration.ofNanos(runtime.usage().cpuNanos()))
          .isBetween(limit, limit.plus(HostileGuestTest.STOP));
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
    }
  }

  @Test
  void cpuTimeOfEachCallInTheWorkerIsCountedToItsEnd() {
    // Counts down from 200 million: at least some 40 ms.
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    Code count = new Code().raw(0x03, 0x40).get(0).constant(1).raw(0x6b).raw(0x22, 0);
    module.function("count", 1, 0, count.raw(0x0d, 0, 0x0b).constant(7));
    try (RealmRuntime runtime =
        runtime(module.build(), ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      assertThat(runtime.callFunction("count", 1).value()).isEqualTo(7);
      for (int i = 0; i < 3; i++) {
        long before = runtime.usage().cpuNanos();
        assertThat(runtime.callFunction("count", 200_000_000).value()).isEqualTo(7);
        assertThat(runtime.usage().cpuNanos() - before)
            .isGreaterThan(Duration.ofMillis(20).toNanos());
      }
    }
  }

  @Test
  void startFunctionThatLoopsIsStopped() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("rest", 0, 0, new Code().constant(7));
    byte[] guest = module.start(new Code().forever()).build();
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(1500));
    try (RealmRuntime runtime = runtime(guest, ResourceLimits.unbounded(limits))) {
      assertThatThrownBy(() -> runtime.callFunction("rest"))
          .satisfies(e -> assertCode(e, "GUEST_DEADLINE"));
    }
  }

  /// W09: the same functions over memory that both processes map.
  @Test
  void everyEdgeGivesAResultOrATrap() {
    Map<String, Integer> functions = new LinkedHashMap<>();
    try (RealmRuntime runtime =
        runtime(HostCaller.guest(Map.of()), ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      runtime.hostFunctions().forEach(f -> functions.put(f.name(), f.parameters()));
      runtime.loadWasm(HostCaller.guest(functions));
      int[] edges = {0, 1, -1, 64, 65_536 * 4 - 1, 65_536 * 4, Integer.MAX_VALUE, -65_536};
      SplittableRandom random = new SplittableRandom(9);
      int traps = 0;
      for (Map.Entry<String, Integer> function : functions.entrySet()) {
        for (int i = 0; i < 12; i++) {
          Object[] arguments = new Object[function.getValue()];
          Arrays.setAll(arguments, k -> edges[random.nextInt(edges.length)]);
          try {
            runtime.callFunction(function.getKey(), arguments);
          } catch (GuestTrapException e) {
            assertCode(e, "GUEST_MEMORY");
            traps++;
          } catch (RealmException e) {
            // An error number with its reason.
            assertThat(e.code()).isIn("GRAMMAR_INVALID", "SAMPLER_INVALID");
          }
        }
      }
      assertThat(traps).isPositive();
    }
  }

  @Test
  void memoryInTheWorkerIsTheRealms() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1_000);
    module.function("grow", 1, 0, new Code().get(0).grow());
    module.function("peek", 1, 0, new Code().get(0).load());
    module.function("poke", 1, 0, new Code().get(0).constant(-1).store().constant(0));
    module.function("crash", 0, 0, new Code().unreachable());
    ResourceLimits limits = ResourceLimits.builder().memoryBytes(8L << 16).build();
    try (RealmRuntime runtime = runtime(module.build(), limits)) {
      assertThat(runtime.callFunction("grow", 3).value()).isEqualTo(1);
      assertThat(runtime.callFunction("poke", (4 << 16) - 4).value()).isZero();
      assertThat(runtime.callFunction("peek", (4 << 16) - 4).value()).isEqualTo(-1);
      assertThat(runtime.callFunction("grow", 5).value()).isEqualTo(-1);
      assertThat(runtime.callFunction("grow", 4).value()).isEqualTo(4);
      assertThatThrownBy(() -> runtime.callFunction("peek", (8 << 16) - 3))
          .satisfies(e -> assertCode(e, "GUEST_TRAP"));
      // A fresh instance: its memory is given back, and what it had is gone.
      assertThat(runtime.callFunction("grow", 7).value()).isEqualTo(1);
      assertThat(runtime.callFunction("peek", (4 << 16) - 4).value()).isZero();
    }
    ResourceLimits none = ResourceLimits.builder().memoryBytes(1000).build();
    try (RealmRuntime runtime = runtime(module.build(), none)) {
      assertThatThrownBy(() -> runtime.callFunction("grow", 1))
          .satisfies(e -> assertCode(e, "MEMORY_LIMIT"));
    }
  }

  @Test
  void hostFunctionThatFailsEndsTheCallWithItsOwnError() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    module.function("say", 2, 0, new Code().get(0).get(1).call(emit));
    GuestOutput broken =
        text -> {
          throw new UncheckedIOException(new IOException("the reader is gone"));
        };
    try (RealmRuntime runtime =
        runtime(module.build(), ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      assertThatThrownBy(() -> runtime.callFunction("say", broken, 0, 4))
          .isInstanceOf(UncheckedIOException.class)
          .hasMessageContaining("the reader is gone");
      assertThatThrownBy(() -> runtime.callFunction("say", 65_530, 100))
          .satisfies(e -> assertCode(e, "GUEST_MEMORY"));
      assertThat(runtime.callFunction("say", 0, 4).value()).isZero();
      assertThatThrownBy(() -> runtime.callFunction("shout"))
          .isInstanceOf(GuestFormatException.class)
          .hasMessageContaining("exports no function shout");
    }
  }

  @Test
  void moduleThatCannotBeAGuestIsRefusedWhenItIsLoaded() {
    assertThatThrownBy(() -> runtime("not wasm".getBytes(), ResourceLimits.builder().build()))
        .isInstanceOf(GuestFormatException.class);
  }
}
