package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Guests other than the default one: what comes out is what the guest does, and what a guest does
/// wrong stays its own.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class HandMadeGuestTest extends SampleFixture {
  private static final String PROMPT = "<|user|>What is the capital of France?</s><|assistant|>";

  /// Token of " Paris" in the sample model.
  private static final int PARIS = 1542;

  private static final int VOCABULARY = 1792;

  /// A guard against hanging, not a bound.
  private static final Duration HANG = Duration.ofSeconds(60);

  // Where the guests below keep things.
  private static final int REQUEST = 0;
  private static final int OUT = 128;
  private static final int TEXT = 1024;
  private static final int MASK = 4096;
  private static final int IDS = 8192;

  private RealmRuntime runtime(byte[] guest) {
    return runtime(guest, GuestLimits.DEFAULT);
  }

  private RealmRuntime runtime(byte[] guest, GuestLimits limits) {
    RealmRuntime runtime = new RealmRuntime(builder().limits(limits).build());
    runtime.loadWasm(guest);
    return runtime;
  }

  /// A guest whose `answer(steps)` takes that many steps on the prompt, and whose tokens come out as
  /// `mask` allows: prefill and decode by hand.
  private static byte[] decoding(int steps, boolean withoutParis) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int tokenize = module.importFunction("realm_host", "tokenize", 6);
    int newSequence = module.importFunction("realm_host", "kv_new", 1);
    int step = module.importFunction("realm_host", "step", 2);
    int model = 0;
    int count = 1;
    Code body = new Code();
    body.constant(0).constant(TEXT).constant(2048).call(argument).set(count);
    body.constant(TEXT).get(count).call(open).set(model);
    body.constant(1).constant(TEXT).constant(2048).call(argument).set(count);
    body.get(model).constant(TEXT).get(count).constant(3).constant(IDS).constant(1000);
    body.call(tokenize).set(count);
    body.constant(REQUEST).get(model).call(newSequence).store();
    body.storeConstant(REQUEST + 4, IDS).storeLocal(REQUEST + 8, count);
    body.storeConstant(REQUEST + 12, OUT).storeConstant(REQUEST + 20, 2);
    if (withoutParis) {
      body.constant(MASK).constant(0xff).constant(VOCABULARY / 8).fill();
      body.storeConstant(MASK + PARIS / 32 * 4, ~(1 << PARIS % 32));
      body.storeConstant(REQUEST + 24, MASK);
    }
    for (int i = 0; i < steps; i++) {
      body.constant(REQUEST).constant(1).call(step).drop();
      body.storeConstant(REQUEST + 4, OUT).storeConstant(REQUEST + 8, 1);
    }
    body.constant(0);
    module.memory(1, 4).function("answer", 0, 2, body);
    return module.build();
  }

  @Test
  void guestThatStopsAfterOneTokenGetsExactlyOneToken() {
    try (RealmRuntime runtime = runtime(decoding(1, false))) {
      CallResult result = runtime.callFunction("answer", "sample", PROMPT);
      assertThat(result.newTokens()).isEqualTo(1);
      assertThat(result.promptTokens()).isEqualTo(11);
      assertThat(result.text()).isEqualTo("The");
    }
  }

  @Test
  void guestThatMasksTheTokenForParisGetsSomethingElse() {
    try (RealmRuntime runtime = runtime(decoding(7, false))) {
      assertThat(runtime.callFunction("answer", "sample", PROMPT).text())
          .isEqualTo("The capital of France is Paris.");
    }
    try (RealmRuntime runtime = runtime(decoding(7, true))) {
      String text = runtime.callFunction("answer", "sample", PROMPT).text();
      assertThat(text).startsWith("The capital of France is ").doesNotContain("Paris");
    }
  }

  @Test
  void withoutAGuestNothingGenerates() {
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      assertThatThrownBy(() -> runtime.callFunction("generate", 1, PROMPT, "{}"))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("no guest");
    }
  }

  /// A guest whose `poke()` calls a host function with a pointer and a length.
  private static byte[] poking(String function, int parameters, int... arguments) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int host = module.importFunction("realm_host", function, parameters);
    Code body = new Code();
    for (int argument : arguments) {
      body.constant(argument);
    }
    module.memory(1, 1).function("poke", 0, 0, body.call(host));
    return module.build();
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, Integer.MAX_VALUE, Integer.MIN_VALUE, 65_536 - 15, 65_536, 65_537})
  void pointerOutsideTheGuestsMemoryTrapsTheGuest(int pointer) {
    byte[][] guests = {
      poking("arg_read", 3, 0, pointer, 16),
      poking("emit_text", 2, pointer, 16),
      poking("model_open", 2, pointer, 16),
      poking("tokenize", 6, 1, pointer, 16, 0, 0, 0),
      poking("tokenize", 6, 1, 0, 0, 0, pointer, 4),
      poking("token_bytes", 4, 1, 1, pointer, 16),
      poking("chat_template", 5, 1, pointer, 16, 0, 0),
      poking("model_info", 3, 1, pointer, 16),
      poking("step", 2, pointer, 1),
      poking("candle_matmul", 8, pointer, 4, 0, 4, 2, 2, 2, 0),
      poking("candle_matmul", 8, 0, 4, 0, 4, 2, 2, 2, pointer),
      poking("memory64_store_layer", 5, 0, 1, 0, pointer, 16),
      poking("memory64_load_layer", 5, pointer, 16, 0, 0, 0),
      poking("memory64_get_cache_stats", 2, pointer, 16),
    };
    for (byte[] guest : guests) {
      try (RealmRuntime runtime = runtime(guest)) {
        long result;
        try {
          result = runtime.callFunction("poke").value();
        } catch (GuestTrapException e) {
          assertThat(e.code()).isEqualTo("GUEST_MEMORY");
          continue;
        }
        // Only a handle that is looked up before any memory may answer first.
        assertThat(result).isEqualTo(Errno.EBADF);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, Integer.MAX_VALUE, Integer.MIN_VALUE, 65_537})
  void lengthBeyondTheGuestsMemoryTrapsTheGuest(int length) {
    for (byte[] guest :
        new byte[][] {
          poking("arg_read", 3, 0, 0, length),
          poking("emit_text", 2, 0, length),
          poking("memory64_store_layer", 5, 0, 1, 0, 0, length),
          poking("memory64_get_cache_stats", 2, 0, length)
        }) {
      try (RealmRuntime runtime = runtime(guest)) {
        assertThatThrownBy(() -> runtime.callFunction("poke"))
            .isInstanceOf(GuestTrapException.class);
      }
    }
  }

  @Test
  void spinningGuestIsStoppedAtItsDeadline() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.memory(1, 1).function("spin", 0, 0, new Code().forever().constant(0));
    module.function("rest", 0, 0, new Code().constant(7));
    GuestLimits hurried = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(300));
    try (RealmRuntime runtime = runtime(module.build(), hurried)) {
      long started = System.nanoTime();
      assertThatThrownBy(() -> runtime.callFunction("spin"))
          .isInstanceOf(GuestTrapException.class)
          .hasMessageContaining("time for the call");
      assertThat(Duration.ofNanos(System.nanoTime() - started))
          .isBetween(Duration.ofMillis(300), HANG);
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
    }
  }

  @Test
  void endlessRecursionTraps() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.memory(1, 1).function("deep", 0, 0, new Code().call(0));
    try (RealmRuntime runtime = runtime(module.build())) {
      assertThatThrownBy(() -> runtime.callFunction("deep")).isInstanceOf(GuestTrapException.class);
    }
  }

  @Test
  void memoryGrowsUpToTheCapAndNoFurther() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.memory(1, 65_536).function("grow", 1, 0, new Code().get(0).grow());
    GuestLimits small = GuestLimits.DEFAULT.withMaxMemoryBytes(4 << 16);
    try (RealmRuntime runtime = runtime(module.build(), small)) {
      assertThat(runtime.callFunction("grow", 3).value()).isEqualTo(1);
      assertThat(runtime.callFunction("grow", 1).value()).isEqualTo(-1);
      for (int pages : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 65_536}) {
        assertThat(runtime.callFunction("grow", pages).value()).isEqualTo(-1);
      }
      assertThat(runtime.callFunction("grow", 0).value()).isEqualTo(4);
    }
  }

  /// 4 GiB is what a module may say, and more than a realm may have.
  @Test
  void memoryOfAllPagesIsRefused() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(65_536, 65_536);
    module.function("rest", 0, 0, new Code().constant(7));
    try (RealmRuntime runtime = runtime(module.build())) {
      assertThatThrownBy(() -> runtime.callFunction("rest"))
          .isInstanceOf(GuestFormatException.class)
          .hasMessageContaining("pages at start, found 65536");
    }
  }

  /// Functions of the host are imported with their own types only.
  @Test
  void importsOfOtherTypesAreRefused() {
    int[][] types = {
      {0x60, 0, 0},
      {0x60, 0, 1, 0x7e},
      {0x60, 0, 1, 0x7d},
      {0x60, 0, 1, 0x6f},
      {0x60, 0, 2, 0x7f, 0x7f},
      {0x60, 1, 0x7f, 1, 0x7f},
    };
    for (int[] type : types) {
      try (RealmRuntime runtime = runtime(importing("abi_version", type))) {
        assertThatThrownBy(() -> runtime.callFunction("f"))
            .as("type %s", Arrays.toString(type))
            .isInstanceOf(GuestFormatException.class)
            .hasMessageContaining("expected 0 i32 parameters and an i32 result");
      }
    }
    try (RealmRuntime runtime = runtime(importing("kv_new", 0x60, 1, 0x7e, 1, 0x7f))) {
      assertThatThrownBy(() -> runtime.callFunction("f"))
          .isInstanceOf(GuestFormatException.class)
          .hasMessageContaining("expected 1 i32 parameters and an i32 result");
    }
  }

  private static byte[] importing(String function, int... type) {
    Code wanted = new Code().raw(1, 10).raw("realm_host".chars().toArray());
    wanted.unsigned(function.length()).raw(function.chars().toArray()).raw(0, 0);
    return RawModule.sections(
        RawModule.part(1, new Code().raw(1).raw(type)),
        RawModule.part(2, wanted),
        RawModule.part(5, new Code().raw(1, 0, 1)));
  }

  /// What is wanted by name must be a function.
  @Test
  void exportsOfOtherKindsAreNoFunctions() {
    byte[] module =
        RawModule.sections(
            RawModule.part(5, new Code().raw(1, 0, 1)),
            RawModule.part(6, new Code().raw(1, 0x7f, 0, 0x41, 7, 0x0b)),
            RawModule.part(7, new Code().raw(2, 1, 'm', 2, 0, 1, 'g', 3, 0)));
    try (RealmRuntime runtime = runtime(module)) {
      for (String name : new String[] {"m", "g", "load_model"}) {
        assertThatThrownBy(() -> runtime.callFunction(name))
            .isInstanceOf(GuestFormatException.class)
            .hasMessageContaining("exports no function " + name);
      }
    }
  }

  @Test
  void trapLeavesNothingBehindForTheNextCall() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.memory(1, 1);
    module.function("put", 0, 0, new Code().storeConstant(64, 42).unreachable());
    module.function("take", 0, 0, new Code().constant(64).load());
    try (RealmRuntime runtime = runtime(module.build())) {
      assertThatThrownBy(() -> runtime.callFunction("put")).isInstanceOf(GuestTrapException.class);
      assertThat(runtime.callFunction("take").value()).isZero();
    }
  }

  @Test
  void modulesThatCannotBeGuestsAreRefused() {
    byte[] unknownImport = poking("format_disk", 1, 0);
    byte[] wrongSignature = poking("kv_new", 3, 0, 0, 0);
    byte[] tooLarge = new WasmModuleBuilder().memory(2000, 65_536).build();
    for (byte[] guest : new byte[][] {unknownImport, wrongSignature, tooLarge}) {
      assertThatThrownBy(
              () -> {
                try (RealmRuntime runtime = runtime(guest)) {
                  runtime.callFunction("poke");
                }
              })
          .isInstanceOf(GuestFormatException.class);
    }
    for (byte[] guest : new byte[][] {{}, {0, 'a', 's', 'm'}, "Dear diary".getBytes()}) {
      assertThatThrownBy(() -> runtime(guest)).isInstanceOf(GuestFormatException.class);
    }
  }

  @Test
  void matricesAreMultipliedInTheGuestsMemory() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int plain = module.importFunction("realm_host", "candle_matmul", 8);
    int transposed = module.importFunction("realm_host", "candle_matmul_transposed", 8);
    Code body = new Code();
    // a (1, 2) = [2, 3], b (2, 2) = [[5, 7], [11, 13]]
    float[] values = {2, 3, 5, 7, 11, 13};
    for (int i = 0; i < values.length; i++) {
      body.storeConstant(4 * i, Float.floatToIntBits(values[i]));
    }
    for (int function : new int[] {plain, transposed}) {
      body.constant(0).constant(2).constant(8).constant(4);
      body.constant(1).constant(2).constant(2).constant(64 + 8 * function).call(function).drop();
    }
    body.constant(0);
    module.memory(1, 1).function("multiply", 0, 0, body);
    module.function("result", 1, 0, new Code().get(0).load());
    try (RealmRuntime runtime = runtime(module.build())) {
      assertThat(runtime.callFunction("multiply").value()).isZero();
      assertThat(result(runtime, 64)).isEqualTo(2 * 5 + 3 * 11);
      assertThat(result(runtime, 68)).isEqualTo(2 * 7 + 3 * 13);
      assertThat(result(runtime, 72)).isEqualTo(2 * 5 + 3 * 7);
      assertThat(result(runtime, 76)).isEqualTo(2 * 11 + 3 * 13);
    }
  }

  private static float result(RealmRuntime runtime, int address) {
    return Float.intBitsToFloat((int) runtime.callFunction("result", address).value());
  }

  @Test
  void layersOfAGuestAreKeptInHostMemory() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int store = module.importFunction("realm_host", "memory64_store_layer", 5);
    int load = module.importFunction("realm_host", "memory64_load_layer", 5);
    int stats = module.importFunction("realm_host", "memory64_get_cache_stats", 2);
    module.memory(1, 1);
    Code keep = new Code().storeConstant(64, 1234).storeConstant(68, 5678);
    keep.constant(0).constant(4).constant(3).constant(64).constant(8).call(store);
    module.function("keep", 0, 0, keep);
    module.function(
        "bring",
        0,
        0,
        new Code().constant(0).constant(4).constant(3).constant(128).constant(8).call(load));
    module.function("read", 1, 0, new Code().get(0).load());
    module.function("stats", 0, 0, new Code().constant(256).constant(48).call(stats));
    try (RealmRuntime runtime = runtime(module.build())) {
      assertThat(runtime.callFunction("bring").value()).isEqualTo(Errno.ENOENT);
      assertThat(runtime.callFunction("keep").value()).isZero();
      assertThat(runtime.callFunction("bring").value()).isEqualTo(8);
      assertThat(runtime.callFunction("read", 128).value()).isEqualTo(1234);
      assertThat(runtime.callFunction("read", 132).value()).isEqualTo(5678);
      assertThat(runtime.callFunction("stats").value()).isEqualTo(48);
      assertThat(runtime.callFunction("read", 256).value()).isEqualTo(8);
      assertThat(runtime.callFunction("read", 264).value()).isEqualTo(1);
    }
  }
}
