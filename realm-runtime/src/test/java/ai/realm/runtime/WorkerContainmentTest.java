package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What becomes of a worker stays with it: it is killed, starved, stopped or taken over, while tenants
/// beside it get what they get otherwise.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class WorkerContainmentTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final TenantId B = new TenantId("b");
  private static final TenantId CANARY = new TenantId("canary");
  private static final String FRANCE = "What is the capital of France?";
  private static final String PARIS = "The capital of France is Paris.";
  private static final String LONG = "{\"raw\": true, \"max_tokens\": 400, \"ignore_eos\": true}";

  /// What a busy machine may take to do what takes a moment.
  private static final Duration GENEROUS = Duration.ofSeconds(30);

  private RuntimeConfig config() {
    return builder().maxContext(512).sequences(16).memory64Bytes(1 << 20).build();
  }

  private MultiRealmManager manager() {
    return new MultiRealmManager(config(), DefaultGuest.bytes());
  }

  private static RealmPolicy policy(Isolation isolation) {
    return policy(isolation, GuestLimits.DEFAULT);
  }

  private static RealmPolicy policy(Isolation isolation, GuestLimits limits) {
    return RealmPolicy.of(ResourceLimits.unbounded(limits))
        .withIsolation(isolation)
        .withBreaker(100, Duration.ofSeconds(30));
  }

  private static CallResult ask(MultiRealmManager manager, TenantId tenant) {
    return manager.generate(tenant, "sample", FRANCE, "{}", GuestOutput.discard());
  }

  private static WorkerProcess process(MultiRealmManager manager, TenantId tenant) {
    Workers.Slot slot = Objects.requireNonNull(manager.worker(tenant));
    return Objects.requireNonNull(slot.present());
  }

  private static void signal(String signal, long pid) throws Exception {
    assertThat(new ProcessBuilder("kill", signal, Long.toString(pid)).start().waitFor()).isZero();
  }

  /// A guest whose `generate` does that.
  private static byte[] guest(Code generate) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, generate.constant(0));
    return module.build();
  }

  private static void assertCode(Throwable failure, String code) {
    assertThat(failure)
        .isInstanceOfSatisfying(
            GuestTrapException.class, e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code));
  }

  /// Runs `attack` while tenants in the host's process and in a worker of their own keep asking.
  private void besideCanaries(MultiRealmManager manager, ThrowingRunnable attack) throws Exception {
    manager.create(CANARY, policy(Isolation.inProcess()));
    manager.create(B, policy(Isolation.worker()));
    manager.deploy(B, DefaultGuest.bytes());
    AtomicBoolean over = new AtomicBoolean();
    CountDownLatch asking = new CountDownLatch(2);
    try (ExecutorService callers = Executors.newFixedThreadPool(2)) {
      List<Future<Integer>> canaries =
          List.of(CANARY, B).stream()
              .map(tenant ->
                  callers.submit(() -> {
                    int answers = 0;
                    while (!over.get() || answers == 0) {
                      assertThat(ask(manager, tenant).text()).isEqualTo(PARIS);
                      answers++;
                      asking.countDown();
                    }
                    return answers;
                  }))
              .toList();
      try {
        assertThat(asking.await(60, TimeUnit.SECONDS)).isTrue();
        attack.run();
      } finally {
        over.set(true);
      }
      for (Future<Integer> canary : canaries) {
        assertThat(canary.get(60, TimeUnit.SECONDS)).isPositive();
      }
    }
    assertThat(Objects.requireNonNull(manager.worker(B)).starts()).isEqualTo(1);
  }

  interface ThrowingRunnable {
    void run() throws Exception;
  }

  /// C06.
  @Test
  void killedWorkerLosesItsOwnRequestsOnly() throws Exception {
    try (MultiRealmManager manager = manager();
        ExecutorService callers = Executors.newFixedThreadPool(1)) {
      manager.create(A, policy(Isolation.worker()));
      manager.deploy(A, DefaultGuest.bytes());
      besideCanaries(
          manager,
          () -> {
            for (int i = 0; i < 3; i++) {
              CountDownLatch begun = new CountDownLatch(3);
              GuestOutput output =
                  text -> {
                    begun.countDown();
                    // The rest waits for the worker's end.
                    parkMillis(20);
                  };
              Future<CallResult> lost =
                  callers.submit(
                      () -> manager.generate(A, "sample", "Once upon a time", LONG, output));
              assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
              signal("-KILL", process(manager, A).pid());
              assertThatThrownBy(() -> lost.get(60, TimeUnit.SECONDS))
                  .satisfies(e -> assertCode(e.getCause(), "WORKER_LOST"));
              assertThat(ask(manager, A).text()).isEqualTo(PARIS);
            }
          });
      assertThat(Objects.requireNonNull(manager.worker(A)).starts()).isEqualTo(4);
    }
  }

  private static void parkMillis(long millis) {
    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
  }

  /// F05. A body too large for a method of the JVM is interpreted, with frames on the heap: recursion
  /// fills it.
  @Test
  void guestThatExhaustsTheHeapEndsItsWorkerOnly() throws Exception {
    Code large = new Code();
    for (int i = 0; i < 30_000; i++) {
      large.constant(1).drop();
    }
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 1_900, large.get(0).call(1));
    byte[] hungry = module.build();
    try (MultiRealmManager manager = manager()) {
      manager.create(
          A,
          policy(new Isolation.Worker("", 24L << 20), GuestLimits.DEFAULT.withDeadline(GENEROUS)));
      List<Path> folders = new ArrayList<>();
      besideCanaries(
          manager,
          () -> {
            Throwable failure = null;
            try {
              manager.deploy(A, hungry);
              folders.add(process(manager, A).folder());
              ask(manager, A);
            } catch (GuestTrapException | GuestFormatException e) {
              failure = e;
            }
            assertThat(failure).isNotNull().hasMessage("worker: its heap is exhausted");
          });
      manager.deploy(A, DefaultGuest.bytes());
      assertThat(ask(manager, A).text()).isEqualTo(PARIS);
      // S06: no heap dump and no crash file stays behind.
      long giveUp = System.nanoTime() + GENEROUS.toNanos();
      for (Path folder : folders) {
        while (Files.exists(folder) && System.nanoTime() - giveUp < 0) {
          parkMillis(20);
        }
        assertThat(folder).doesNotExist();
      }
    }
  }

  /// F04 and F06: guests that spin and modules that are as slow to compile as admission lets them.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void spinnersAndCompileBombsLeaveOthersAlone(boolean isolated) throws Exception {
    Isolation level = isolated ? Isolation.worker() : Isolation.inProcess();
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(700));
    try (MultiRealmManager manager = manager()) {
      manager.create(A, policy(level, limits));
      besideCanaries(
          manager,
          () -> {
            manager.deploy(A, guest(new Code().forever()));
            for (int i = 0; i < 3; i++) {
              assertThatThrownBy(() -> ask(manager, A))
                  .satisfies(e -> assertCode(e, "GUEST_DEADLINE"));
            }
            for (int i = 0; i < 3; i++) {
              manager.deploy(A, slowToCompile(i));
            }
          });
    }
  }

  /// 1,000 locals over as many branch targets as admission allows in a body, several times.
  private static byte[] slowToCompile(int variant) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(variant));
    for (int f = 0; f < 3; f++) {
      Code code = new Code();
      for (int i = 0; i < 3_000; i++) {
        code.raw(0x02, 0x40, 0x0b);
      }
      module.function("slow" + f, 0, 1_000, code.constant(0));
    }
    module.function("generate", 1, 0, new Code().constant(0));
    return module.build();
  }

  @Test
  void workerThatDoesNotAnswerAnInterruptIsRecycled() throws Exception {
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(3));
    try (MultiRealmManager manager = manager()) {
      manager.create(A, policy(Isolation.worker(), limits));
      manager.deploy(A, guest(new Code().forever()));
      WorkerProcess stopped = process(manager, A);
      besideCanaries(
          manager,
          () -> {
            signal("-STOP", stopped.pid());
            long started = System.nanoTime();
            // Opening an instance takes the worker's help as well: the deadline covers it.
            assertThatThrownBy(() -> ask(manager, A))
                .satisfies(e -> assertCode(e, "GUEST_DEADLINE"));
            assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(GENEROUS);
          });
      assertThat(stopped.isAlive()).isFalse();
      manager.deploy(A, DefaultGuest.bytes());
      assertThat(ask(manager, A).text()).isEqualTo(PARIS);
    }
  }

  @Test
  void guestThatSpinsInAStoppedWorkerEndsInTime() throws Exception {
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(2));
    try (MultiRealmManager manager = manager();
        ExecutorService callers = Executors.newFixedThreadPool(1)) {
      manager.create(A, policy(Isolation.worker(), limits));
      manager.deploy(A, guest(new Code().forever()));
      Future<CallResult> spinning = callers.submit(() -> ask(manager, A));
      parkMillis(500);
      signal("-STOP", process(manager, A).pid());
      assertThatThrownBy(() -> spinning.get(30, TimeUnit.SECONDS))
          .satisfies(e -> assertCode(e.getCause(), "GUEST_DEADLINE"));
      assertThatThrownBy(() -> ask(manager, A)).satisfies(e -> assertCode(e, "GUEST_DEADLINE"));
      assertThat(Objects.requireNonNull(manager.worker(A)).starts()).isEqualTo(2);
    }
  }

  /// What is compiled in a worker that was started anew waits like what is deployed.
  @Test
  void guestIsCompiledAgainInItsTurn() throws Exception {
    try (MultiRealmManager manager = manager();
        ExecutorService callers = Executors.newFixedThreadPool(2)) {
      manager.create(A, policy(Isolation.worker()));
      manager.deploy(A, DefaultGuest.bytes());
      Workers.Slot slot = Objects.requireNonNull(manager.worker(A));
      CountDownLatch compiling = new CountDownLatch(1);
      CountDownLatch compiled = new CountDownLatch(1);
      Future<?> other =
          callers.submit(() ->
              slot.compile(
                  System.nanoTime() + GENEROUS.toNanos(),
                  () -> {
                    compiling.countDown();
                    try {
                      assertThat(compiled.await(60, TimeUnit.SECONDS)).isTrue();
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  }));
      assertThat(compiling.await(60, TimeUnit.SECONDS)).isTrue();
      signal("-KILL", process(manager, A).pid());
      awaitEnd(process(manager, A));
      Future<CallResult> answer = callers.submit(() -> ask(manager, A));
      long giveUp = System.nanoTime() + GENEROUS.toNanos();
      while (slot.starts() < 2 && System.nanoTime() - giveUp < 0) {
        parkMillis(20);
      }
      parkMillis(1_000);
      assertThat(answer.isDone()).isFalse();
      compiled.countDown();
      other.get(60, TimeUnit.SECONDS);
      assertThat(answer.get(60, TimeUnit.SECONDS).text()).isEqualTo(PARIS);
    }
  }

  /// Calls the tool `k` where the prompt is not empty.
  private static byte[] calling() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int tool = module.importFunction("realm_host", "tool_call", 4);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    Code code = new Code().constant(1).constant(64).constant(64).call(argument).raw(0x04, 0x40);
    code.storeConstant(0, 'k').constant(0).constant(1).constant(0).constant(1).call(tool).drop();
    module.function("generate", 1, 0, code.raw(0x0b).constant(0));
    return module.build();
  }

  private static Usage usage(MultiRealmManager manager) {
    return manager.status(A).usage();
  }

  /// A guest that has its worker killed at each call, and uses next to no CPU time itself.
  @Test
  void guestWhoseWorkerIsKilledAgainAndAgainMeetsTheCpuLimit() {
    try (MultiRealmManager manager = manager()) {
      UnaryOperator<String> kill =
          text -> {
            try {
              signal("-KILL", process(manager, A).pid());
            } catch (Exception e) {
              throw new AssertionError(e);
            }
            return "";
          };
      RealmPolicy policy = policy(Isolation.worker()).withTools(new GuestTools(Map.of("k", kill)));
      manager.create(A, policy);
      manager.deploy(A, calling());
      assertThat(usage(manager).cpuNanos()).as("a deployment costs no call anything").isZero();
      // What the host's side of a call takes is little once it has run a few times.
      assertThatThrownBy(() -> ask(manager, A)).satisfies(e -> assertCode(e, "WORKER_LOST"));
      for (int i = 0; i < 50; i++) {
        manager.generate(A, "sample", "", "{}", GuestOutput.discard());
      }
      manager.update(
          A, policy.withLimits(ResourceLimits.builder().cpuMillisPerSecond(120).build()));
      List<String> ends = new ArrayList<>();
      LimitException refusal = null;
      while (refusal == null && ends.size() < 10) {
        try {
          ask(manager, A);
        } catch (LimitException e) {
          refusal = e;
        } catch (GuestTrapException e) {
          ends.add(e.code());
        }
      }
      assertThat(refusal).as("after %s", ends).isNotNull();
      assertThat(refusal.code()).isEqualTo("CPU_RATE");
      assertThat(refusal.retryAfter()).isPositive();
      assertThat(ends).as("the second was loaded again").hasSizeLessThanOrEqualTo(2);
    }
  }

  /// The call that has the guest loaded again is not the one that suffers, and the tenant comes back.
  @Test
  void reloadingIsPaidForByLaterCallsAndThenOver() throws Exception {
    try (MultiRealmManager manager = manager()) {
      RealmPolicy policy = policy(Isolation.worker());
      manager.create(A, policy);
      manager.deploy(A, calling());
      // What the host's side of a call takes is little once it has run a few times.
      for (int i = 0; i < 50; i++) {
        manager.generate(A, "sample", "", "{}", GuestOutput.discard());
      }
      manager.update(
          A, policy.withLimits(ResourceLimits.builder().cpuMillisPerSecond(400).build()));
      long before = usage(manager).cpuNanos();
      signal("-KILL", process(manager, A).pid());
      awaitEnd(process(manager, A));
      // The instance that waited for it is lost.
      assertThatThrownBy(() -> ask(manager, A)).satisfies(e -> assertCode(e, "WORKER_LOST"));
      assertThat(manager.generate(A, "sample", "", "{}", GuestOutput.discard()).value()).isZero();
      assertThat(usage(manager).cpuNanos() - before)
          .isGreaterThan(TimeUnit.MILLISECONDS.toNanos(400));
      long giveUp = System.nanoTime() + 2 * GENEROUS.toNanos();
      int refused = 0;
      while (true) {
        try {
          manager.generate(A, "sample", "", "{}", GuestOutput.discard());
          break;
        } catch (LimitException e) {
          assertThat(e.code()).isEqualTo("CPU_RATE");
          refused++;
          LockSupport.parkNanos(e.retryAfter().toNanos());
        } catch (GuestTrapException e) {
          // Paid off, with next to nothing left for the call itself.
          assertCode(e, "CPU_RATE");
          parkMillis(300);
        }
        assertThat(System.nanoTime() - giveUp).as("paid off in time").isNegative();
      }
      assertThat(refused).isPositive();
      assertThat(Objects.requireNonNull(manager.worker(A)).starts()).isEqualTo(2);
    }
  }

  @Test
  void whatGuestsUseIsNotTheWorkersOwnCpuTime() {
    GuestLimits limits = GuestLimits.DEFAULT.withCpuTime(Duration.ofMillis(1500));
    try (MultiRealmManager manager = manager()) {
      manager.create(A, policy(Isolation.worker(), limits));
      manager.deploy(A, guest(new Code().forever()));
      long before = process(manager, A).ownCpuNanos();
      assertThat(before).as("its start").isPositive();
      assertThatThrownBy(() -> ask(manager, A)).satisfies(e -> assertCode(e, "GUEST_CPU"));
      long used = usage(manager).cpuNanos();
      assertThat(used).isGreaterThan(TimeUnit.MILLISECONDS.toNanos(1500));
      assertThat(process(manager, A).ownCpuNanos() - before).isLessThan(used / 2);
      WorkerProcess process = process(manager, A);
      process.recycle("has served");
      awaitEnd(process);
      assertThat(process.ownCpuNanos()).as("after its end").isGreaterThanOrEqualTo(before);
    }
  }

  private static void awaitEnd(WorkerProcess process) {
    long giveUp = System.nanoTime() + GENEROUS.toNanos();
    while (process.isAlive() && System.nanoTime() - giveUp < 0) {
      parkMillis(5);
    }
    assertThat(process.isAlive()).isFalse();
  }

  /// S06.
  @Test
  void workersAreStartedWithoutDumps() {
    try (MultiRealmManager manager = manager()) {
      manager.create(A, policy(Isolation.worker()));
      manager.deploy(A, DefaultGuest.bytes());
      ProcessHandle worker = ProcessHandle.of(process(manager, A).pid()).orElseThrow();
      assertThat(worker.info().arguments().orElseThrow())
          .contains(
              "-XX:-CreateCoredumpOnCrash",
              "-XX:-HeapDumpOnOutOfMemoryError",
              "-XX:+DisableAttachMechanism",
              "-XX:ErrorFile=" + process(manager, A).folder().resolve("crash.log"));
    }
  }

  @Test
  void interruptFromTheTerminalDoesNotEndAWorker() throws Exception {
    try (MultiRealmManager manager = manager()) {
      manager.create(A, policy(Isolation.worker()));
      manager.deploy(A, DefaultGuest.bytes());
      signal("-INT", process(manager, A).pid());
      for (int i = 0; i < 3; i++) {
        assertThat(ask(manager, A).text()).isEqualTo(PARIS);
        parkMillis(50);
      }
      assertThat(Objects.requireNonNull(manager.worker(A)).starts()).isEqualTo(1);
    }
  }

  @Test
  void tenantsShareAWorkerOnlyWhereTheirPoliciesSaySo() {
    try (MultiRealmManager manager = manager()) {
      TenantId c = new TenantId("c");
      manager.create(A, policy(Isolation.worker()));
      manager.create(B, policy(Isolation.sharedWorker("a")));
      manager.create(c, policy(Isolation.sharedWorker("a")));
      for (TenantId tenant : List.of(A, B, c)) {
        manager.deploy(tenant, DefaultGuest.bytes());
        assertThat(ask(manager, tenant).text()).isEqualTo(PARIS);
      }
      assertThat(process(manager, B).pid()).isEqualTo(process(manager, c).pid());
      assertThat(process(manager, A).pid()).isNotEqualTo(process(manager, B).pid());
      WorkerProcess shared = process(manager, c);
      manager.remove(B);
      assertThat(ask(manager, c).text()).isEqualTo(PARIS);
      manager.remove(c);
      assertThat(shared.isAlive()).isFalse();
    }
  }

  @Test
  void nothingOfAWorkerIsLeft() throws Exception {
    Path folder;
    long pid;
    try (MultiRealmManager manager = manager()) {
      manager.create(A, policy(Isolation.worker()));
      manager.deploy(A, DefaultGuest.bytes());
      assertThat(ask(manager, A).text()).isEqualTo(PARIS);
      assertThat(manager.status(A).memoryBytes()).isPositive();
      folder = process(manager, A).folder();
      pid = process(manager, A).pid();
      // Names are gone while the memory is in use: no other process can open it.
      try (var files = Files.list(folder)) {
        assertThat(files.map(file -> file.getFileName().toString()))
            .containsExactly(WorkerFolder.LOCK);
      }
      manager.remove(A);
    }
    long giveUp = System.nanoTime() + GENEROUS.toNanos();
    while (ProcessHandle.of(pid).isPresent() && System.nanoTime() - giveUp < 0) {
      parkMillis(20);
    }
    assertThat(ProcessHandle.of(pid)).isEmpty();
    assertThat(folder).doesNotExist();
  }
}
