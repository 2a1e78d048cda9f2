package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.Engine;
import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import run.endive.wasm.types.MemoryLimits;

/// W10, W12, W13, W16: a guest's memory changes under a host function, guests end while they are called
/// and are called by many, guests give out more than anyone wants; at both levels of isolation.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class GuestLifecycleTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final Duration GENEROUS = Duration.ofSeconds(60);
  private static final Duration SLOW = Duration.ofMillis(50);
  private static final int MEMORY = 65_536;

  static Stream<Isolation> levels() {
    return Stream.of(Isolation.inProcess(), Isolation.worker());
  }

  private RuntimeConfig config() {
    return builder().maxContext(512).sequences(4).memory64Bytes(1 << 20).build();
  }

  private RealmRuntime runtime(Isolation isolation, byte[] guest) {
    RealmRuntime runtime =
        new RealmRuntime(
            config(), ResourceLimits.unbounded(GuestLimits.DEFAULT), GuestTools.NONE, isolation);
    runtime.loadWasm(guest);
    return runtime;
  }

  // ---- W10
  // ----------------------------------------------------------------------------------------

  /// The memory of a guest in a worker that was taken over changes while host functions read it. Whatever
  /// they read, they give a result or trap the guest; they never fail in another way.
  @Test
  void memoryThatIsRewrittenDuringHostCallsDoesNoHarm(@TempDir Path folder) throws Exception {
    try (Memory64Manager memory64 = new Memory64Manager(folder, 1 << 20, 1 << 22);
        ModelCatalog models = new ModelCatalog(config());
        Realm realm =
            new Realm(
                A,
                ResourceLimits.unbounded(GuestLimits.DEFAULT),
                models,
                memory64,
                GuestTools.NONE);
        GuestState state = new GuestState(realm);
        Arena arena = Arena.ofShared()) {
      MemorySegment shared = arena.allocate(2L * MEMORY);
      SharedMemory memory =
          new SharedMemory(new MemoryLimits(1, 2), shared, new MemoryBudget(2 * MEMORY));
      AtomicBoolean over = new AtomicBoolean();
      Thread writer = new Thread(() -> scribble(shared, over));
      writer.start();
      try {
        HostFunctions functions = new HostFunctions(state);
        SplittableRandom random = new SplittableRandom(10);
        for (HostFunction function : functions.all()) {
          for (int i = 0; i < 300; i++) {
            state.begin(new Call(Call.texts("text"), GuestOutput.discard(), realm));
            try {
              callAnyhow(function, state, new GuestMemory(memory), random);
            } finally {
              state.close();
              state.end();
            }
          }
        }
      } finally {
        over.set(true);
        writer.join(GENEROUS);
      }
    }
  }

  private static void callAnyhow(
      HostFunction function, GuestState state, GuestMemory memory, SplittableRandom random) {
    GuestState.OpenModel model = state.openModel("sample");
    int[] edges = {
      0,
      64,
      1_000,
      4_096,
      16,
      8,
      state.handles().add(model),
      MEMORY - 64,
      100,
      state.handles().add(state.openSequence(model))
    };
    int[] arguments = new int[function.parameters()];
    for (int k = 0; k < arguments.length; k++) {
      arguments[k] = edges[random.nextInt(edges.length)];
    }
    try {
      function.body().call(memory, arguments);
    } catch (RealmException e) {
      assertThat(e.code()).isNotEmpty();
    }
  }

  private static void scribble(MemorySegment shared, AtomicBoolean over) {
    SplittableRandom random = new SplittableRandom(11);
    while (!over.get()) {
      long at = 4L * random.nextInt((int) shared.byteSize() / 4);
      shared.set(ValueLayout.JAVA_INT, at, random.nextInt(4) == 0 ? random.nextInt() : 1);
    }
  }

  /// A host function that waits while the memory is grown writes into the memory that is there then.
  @Test
  void memoryThatGrowsDuringAHostCallIsWrittenWhereItIs() {
    FlatMemory memory = new FlatMemory(new MemoryLimits(1, 4), new MemoryBudget(4 * MEMORY));
    GuestMemory view = new GuestMemory(memory);
    view.check(MEMORY - 4, 4);
    assertThat(memory.grow(2)).isEqualTo(1);
    view.putInt(MEMORY - 4, 4711);
    view.putInt(3 * MEMORY - 4, 4712);
    assertThat(memory.readInt(MEMORY - 4)).isEqualTo(4711);
    assertThat(memory.readInt(3 * MEMORY - 4)).isEqualTo(4712);
    assertThatThrownBy(() -> view.putInt(3 * MEMORY - 3, 1)).isInstanceOf(GuestTrapException.class);
  }

  /// Room that a guest only reserves costs nothing; what it touches is there, and zero.
  @Test
  void memoryIsThereAsFarAsItIsUsed() {
    MemoryBudget budget = new MemoryBudget(64 * MEMORY);
    FlatMemory memory = FlatMemory.chargedAsUsed(new MemoryLimits(1000, 1000), budget);
    assertThat(memory.size()).isEqualTo(1000L * MEMORY);
    assertThat(budget.used()).isEqualTo(2 * MEMORY);
    assertThat(memory.readInt(20 * MEMORY + 2)).isZero();
    memory.writeI32(20 * MEMORY + 2, 7);
    assertThat(memory.readBytes(20 * MEMORY + 2, 4)).containsExactly(7, 0, 0, 0);
    assertThat(budget.used()).isBetween(20L * MEMORY, 22L * MEMORY);
    assertThatThrownBy(() -> memory.readInt(900 * MEMORY))
        .isInstanceOf(GuestTrapException.class)
        .hasMessageContaining("memory");
    assertThatThrownBy(() -> memory.readLong(1000 * MEMORY - 7))
        .hasMessageContaining("out of bounds");
    memory.close();
    assertThat(budget.used()).isZero();
  }

  // ---- W12
  // ----------------------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("levels")
  void callsAfterTheEndAreRefused(Isolation isolation) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("rest", 0, 0, new Code().constant(7));
    RealmRuntime runtime = runtime(isolation, module.build());
    assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
    runtime.close();
    assertThatThrownBy(() -> runtime.callFunction("rest"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("no guest");
    runtime.close();
  }

  /// The guest before does not outlive its successor, even while it is called.
  @ParameterizedTest
  @MethodSource("levels")
  void guestThatIsReplacedWhileItSpinsEnds(Isolation isolation) throws Exception {
    WasmModuleBuilder endless = new WasmModuleBuilder().memory(1, 1);
    endless.function("run", 0, 0, new Code().forever().constant(0));
    WasmModuleBuilder other = new WasmModuleBuilder().memory(1, 1);
    other.function("rest", 0, 0, new Code().constant(8));
    try (RealmRuntime runtime = runtime(isolation, endless.build());
        ExecutorService callers = Executors.newFixedThreadPool(1)) {
      Future<CallResult> spinning = callers.submit(() -> runtime.callFunction("run"));
      Thread.sleep(300);
      runtime.loadWasm(other.build());
      assertThatThrownBy(() -> spinning.get(60, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .satisfies(
              e -> assertThat(((RealmException) e.getCause()).code()).isEqualTo("GUEST_CANCELLED"));
      assertThat(runtime.callFunction("rest").value()).isEqualTo(8);
    }
  }

  @ParameterizedTest
  @MethodSource("levels")
  void realmThatIsRemovedWhileItGeneratesEndsWithinAStep(Isolation isolation) throws Exception {
    try (MultiRealmManager manager = new MultiRealmManager(config(), DefaultGuest.bytes());
        ExecutorService callers = Executors.newFixedThreadPool(1)) {
      manager.create(
          A,
          RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT)).withIsolation(isolation));
      manager.deploy(A, DefaultGuest.bytes());
      CountDownLatch begun = new CountDownLatch(2);
      Future<CallResult> generating =
          callers.submit(() ->
              manager.generate(
                  A,
                  "sample",
                  "Once upon a time",
                  "{\"raw\": true, \"max_tokens\": 400, \"temperature\": 3, \"seed\": 7}",
                  text -> {
                    begun.countDown();
                    // So slow that its removal takes no longer than a step.
                    LockSupport.parkNanos(SLOW.toNanos());
                  }));
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      Engine engine = manager.model("sample", System.nanoTime()).host().engine();
      long before = engine.stats().steps();
      manager.remove(A);
      try {
        assertThat(generating.get(60, TimeUnit.SECONDS).value()).isEqualTo(Errno.ECANCELED);
      } catch (ExecutionException e) {
        assertThat(e).hasCauseInstanceOf(RealmException.class);
      }
      assertThat(manager.has(A)).isFalse();
      // Of some 400: the step in flight, one that began meanwhile, and one without text.
      assertThat(engine.stats().steps()).isLessThanOrEqualTo(before + 3);
    }
  }

  /// Many threads call one instance: one after the other, none is lost.
  @ParameterizedTest
  @MethodSource("levels")
  void concurrentCallsIntoOneInstanceDoNotMix(Isolation isolation) throws Exception {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    // A counter that is read, and written a while later.
    Code count = new Code().constant(0).load().set(1).constant(10_000).set(0);
    count.raw(0x03, 0x40).get(0).constant(1).raw(0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b);
    count.constant(0).get(1).constant(1).raw(0x6a).store().constant(0).load();
    module.function("count", 0, 2, count);
    Set<Long> seen = new HashSet<>();
    try (RealmRuntime runtime = runtime(isolation, module.build());
        ExecutorService callers = Executors.newFixedThreadPool(8)) {
      List<Future<CallResult>> calls = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        calls.add(callers.submit(() -> runtime.callFunction("count")));
      }
      for (Future<CallResult> call : calls) {
        seen.add(call.get(60, TimeUnit.SECONDS).value());
      }
    }
    assertThat(seen).hasSize(200).contains(1L, 200L);
  }

  // ---- W13
  // ----------------------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("levels")
  void floodOfTextIsStopped(Isolation isolation) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    module.function(
        "flood",
        0,
        0,
        new Code()
            .raw(0x03, 0x40)
            .constant(0)
            .constant(60_000)
            .call(emit)
            .drop()
            .raw(0x0c, 0, 0x0b)
            .constant(0));
    try (RealmRuntime runtime = runtime(isolation, module.build())) {
      assertThatThrownBy(() -> runtime.callFunction("flood"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("OUTPUT_LIMIT"));
      assertThat(runtime.usage().textBytes()).isLessThanOrEqualTo(Call.MAX_OUTPUT);
    }
  }

  @Test
  void textsLongerThanAnyContextAreRefusedBeforeTheyAreCopied() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int tokenize = module.importFunction("realm_host", "tokenize", 6);
    int detokenize = module.importFunction("realm_host", "detokenize", 5);
    module.memory(1_000, 1_000);
    Code opened = new Code().constant(0).constant(0).constant(64).call(argument).set(0);
    opened.constant(0).get(0).call(open).set(0);
    Code text = new Code().append(opened).get(0).constant(0).constant(60_000_000).constant(0);
    module.function("text", 0, 1, text.constant(0).constant(0).call(tokenize));
    Code ids = new Code().append(opened).get(0).constant(0).constant(16_000_000).constant(0);
    module.function("ids", 0, 1, ids.constant(0).call(detokenize));
    try (RealmRuntime runtime = runtime(Isolation.inProcess(), module.build())) {
      assertThat(runtime.callFunction("text", "sample").value()).isEqualTo(Errno.EMSGSIZE);
      assertThat(runtime.callFunction("ids", "sample").value()).isEqualTo(Errno.EMSGSIZE);
    }
  }

  @Test
  void hostsCopiesOfMatricesAreChargedToTheGuest() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int multiply = module.importFunction("realm_host", "candle_matmul", 8);
    module.memory(16, 16);
    Code code = new Code().constant(0).constant(250_000).constant(0).constant(250_000);
    code.constant(500).constant(500).constant(500).constant(0);
    module.function("multiply", 0, 0, code.call(multiply));
    ResourceLimits tight = ResourceLimits.builder().memoryBytes(2 << 20).build();
    try (RealmRuntime runtime = new RealmRuntime(config(), tight, GuestTools.NONE)) {
      runtime.loadWasm(module.build());
      assertThatThrownBy(() -> callCode(runtime, "multiply"))
          .isInstanceOfSatisfying(
              RealmException.class, e -> assertThat(e.code()).isEqualTo("MEMORY_LIMIT"));
    }
    ResourceLimits enough = ResourceLimits.builder().memoryBytes(4 << 20).build();
    try (RealmRuntime runtime = new RealmRuntime(config(), enough, GuestTools.NONE)) {
      runtime.loadWasm(module.build());
      assertThat(callCode(runtime, "multiply")).isZero();
    }
  }

  @Test
  void answersOfToolsThatNobodyFreesAreBounded() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int tool = module.importFunction("realm_host", "tool_call", 4);
    int free = module.importFunction("realm_host", "blob_free", 1);
    module.memory(1, 1);
    Code call = new Code().constant(0).constant('x').store().constant(0).constant(1).constant(0);
    module.function("call", 0, 0, new Code().append(call).constant(0).call(tool));
    module.function("free", 1, 0, new Code().get(0).call(free));
    String megabyte = "y".repeat(1 << 20);
    GuestTools tools = new GuestTools(Map.of("x", text -> megabyte));
    ResourceLimits limits = ResourceLimits.builder().hostBytes((16 << 20) + (64 << 10)).build();
    try (RealmRuntime runtime = new RealmRuntime(config(), limits, tools)) {
      runtime.loadWasm(module.build());
      long last = 0;
      for (int i = 0; i < 16; i++) {
        last = callCode(runtime, "call");
        assertThat(last).isPositive();
      }
      assertThatThrownBy(() -> callCode(runtime, "call"))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("HOST_MEMORY_LIMIT"));
      assertThat(runtime.callFunction("free", last).value()).isZero();
      assertThat(callCode(runtime, "call")).isPositive();
    }
  }

  private static long callCode(RealmRuntime runtime, String name) {
    return runtime.callFunction(name).value();
  }

  // ---- W16
  // ----------------------------------------------------------------------------------------

  /// There is no cache of compiled guests to tamper with: what is compiled stays in memory, under the
  /// digest of the bytes that it was made from, and one changed bit is another guest.
  @Test
  void compiledGuestIsTheOneOfItsBytes() {
    GuestModules modules = new GuestModules(new EndiveGuestEngine());
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("rest", 0, 0, new Code().constant(7));
    byte[] wasm = module.build();
    GuestModules.Guest first = modules.get(wasm, GuestLimits.DEFAULT);
    assertThat(modules.get(wasm.clone(), GuestLimits.DEFAULT).module()).isSameAs(first.module());
    // The 7 becomes an 8.
    wasm[wasm.length - 2] ^= 15;
    GuestModules.Guest second = modules.get(wasm, GuestLimits.DEFAULT);
    assertThat(second.sha256()).isNotEqualTo(first.sha256());
    assertThat(second.module()).isNotSameAs(first.module());
    assertThat(modules.compilations()).isEqualTo(2);
  }

  /// The one guest that the build compiled is trusted for its digest alone.
  @Test
  void defaultGuestWithOneBitChangedIsNotTrusted() {
    byte[] changed = DefaultGuest.bytes().clone();
    changed[changed.length / 2] ^= 1;
    assertThat(EndiveGuestEngine.isBuiltIn(DefaultGuest.bytes())).isTrue();
    assertThat(EndiveGuestEngine.isBuiltIn(changed)).isFalse();
    assertThatThrownBy(() -> new EndiveGuestEngine().load(changed, GuestLimits.DEFAULT))
        .isInstanceOf(GuestFormatException.class);
  }
}
