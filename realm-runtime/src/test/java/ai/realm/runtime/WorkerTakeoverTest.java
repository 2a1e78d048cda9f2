package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A worker that a guest took over: whatever it says, or does not read, the host goes on, and recycles it.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class WorkerTakeoverTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");

  /// A guard against hanging, not a bound.
  private static final Duration HANG = Duration.ofSeconds(60);

  private static final Isolation.Worker WORKER = new Isolation.Worker("", 64L << 20);

  private static void assertCode(Throwable failure, String code) {
    assertThat(failure)
        .isInstanceOfSatisfying(
            GuestTrapException.class, e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code));
  }

  private static void await(java.util.function.BooleanSupplier condition, String what) {
    long giveUp = System.nanoTime() + HANG.toNanos();
    while (!condition.getAsBoolean() && System.nanoTime() - giveUp < 0) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
    }
    assertThat(condition.getAsBoolean()).as(what).isTrue();
  }

  /// One guest in a hostile worker.
  private final class Attacked implements AutoCloseable {
    final Memory64Manager memory64;
    final ModelCatalog models;
    final Realm realm;
    final Workers workers;
    final Workers.Slot slot;
    final List<HostFunction> functions;

    Attacked(String way, Duration deadline) {
      this(way, deadline, System::nanoTime);
    }

    Attacked(String way, Duration deadline, LongSupplier nanoClock) {
      RuntimeConfig config = sample();
      memory64 = RealmRuntime.newMemory64(config);
      models = new ModelCatalog(config);
      realm =
          new Realm(
              A,
              ResourceLimits.unbounded(GuestLimits.DEFAULT.withDeadline(deadline)),
              models,
              memory64,
              GuestTools.NONE);
      workers =
          new Workers(
              (isolation, wanted) ->
                  WorkerProcess.start(folder -> HostileLaunch.command(way), wanted),
              nanoClock);
      slot = workers.join(A, WORKER);
      functions = new HostFunctions(new GuestState(realm)).all();
    }

    static byte[] guest() {
      WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
      module.function("generate", 0, 0, new Code().constant(0));
      return module.build();
    }

    GuestEngine.Module load(GuestModules modules) {
      WorkerGuestEngine engine = new WorkerGuestEngine(slot, functions);
      return modules.getFrom(engine, guest(), realm.limits().guest()).module();
    }

    WorkerProcess process() {
      return Objects.requireNonNull(slot.present());
    }

    @Override
    public void close() {
      workers.close();
      realm.close();
      models.close();
      memory64.close();
    }
  }

  private Throwable attack(String way) {
    try (Attacked attacked = new Attacked(way, HANG)) {
      return attack(attacked);
    }
  }

  private static Throwable attack(Attacked attacked) {
    return attack(attacked, new GuestModules(new EndiveGuestEngine()));
  }

  private static Throwable attack(Attacked attacked, GuestModules modules) {
    try (GuestSession session = new GuestSession(attacked.realm, attacked.load(modules))) {
      CallResult result = session.call("generate", GuestOutput.discard());
      return new IllegalStateException("result " + result.value());
    } catch (GuestTrapException | GuestFormatException e) {
      return e;
    } finally {
      assertThat(attacked.realm.memory().used()).isZero();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "length",
        "negative length",
        "short",
        "sequence",
        "kind",
        "function",
        "negative function",
        "arguments",
        "few arguments",
        "memory",
        "negative memory",
        "odd memory",
        "text",
        "truncate",
        "truncate at once",
        "truncate at message 16",
        "truncate at message 17",
        "truncate at message 18",
        "truncate at message 19",
        "hang up",
        "exit"
      })
  void workerThatBreaksTheProtocolIsRecycled(String way) {
    try (Attacked attacked = new Attacked(way, HANG)) {
      assertCode(attack(attacked), "WORKER_LOST");
      assertThat(attacked.process().isAlive()).isFalse();
    }
  }

  /// Before a line is open, while a guest is loaded, and during a call. Descriptors are all tenants'.
  @ParameterizedTest
  @ValueSource(strings = {"truncate at once", "truncate at message 16", "truncate at message 19"})
  void workersThatTakeTheSharedMemoryAwayLeaveNoDescriptors(String way) {
    // What is lost so seldom is started again at once.
    AtomicLong clock = new AtomicLong();
    long calm = Workers.Restarts.CALM.toNanos();
    var system = (UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    try (Attacked attacked = new Attacked(way, HANG, () -> clock.addAndGet(calm))) {
      assertCode(attack(attacked), "WORKER_LOST");
      long before = system.getOpenFileDescriptorCount();
      int workers = 8;
      for (int i = 0; i < workers; i++) {
        assertCode(attack(attacked), "WORKER_LOST");
        assertThat(attacked.slot.starts()).as("each is recycled").isEqualTo(i + 2);
      }
      // A process that has ended is let go of by a thread of its own.
      await(
          () -> system.getOpenFileDescriptorCount() - before < workers,
          "nothing of the workers is open");
    }
  }

  @Test
  void workerCannotInventErrorsOrWriteToTheTerminal() {
    Throwable failure = attack("code");
    assertCode(failure, "GUEST_TRAP");
    assertThat(failure).hasMessage("let me\ufffd\ufffd[31min");
  }

  @Test
  void bellsWithoutMessagesDoNoHarm() {
    assertThat(attack("bells")).hasMessage("result 3");
  }

  /// Messages are always ready, so that the call's thread never waits.
  @ParameterizedTest
  @ValueSource(strings = {"host calls for ever", "memory for ever"})
  void workerThatFloodsTheHostIsRecycledAtTheDeadline(String way) {
    try (Attacked attacked = new Attacked(way, Duration.ofMillis(500))) {
      Throwable failure = attack(attacked);
      assertThat(failure)
          .isInstanceOfSatisfying(
              GuestTrapException.class,
              // A machine that is busy may be late to notice that the guest has stopped.
              e -> assertThat(e.code()).isIn("GUEST_DEADLINE", "GUEST_STUCK"));
      await(() -> !attacked.process().isAlive(), "the worker is recycled");
    }
  }

  @Test
  void workerThatReadsNoCommandsKeepsNobodyAndIsRecycled() throws Exception {
    WorkerProcess deaf =
        WorkerProcess.start(folder -> HostileLaunch.command("deaf"), List.<HostFunction>of());
    try (deaf) {
      // More than the pipe and the queue hold.
      CompletableFuture<Void> telling =
          CompletableFuture.runAsync(() -> {
            for (int i = 0; i < 200_000 && deaf.isAlive(); i++) {
              deaf.interrupt(i);
            }
          });
      telling.get(HANG.toSeconds(), TimeUnit.SECONDS);
      assertThat(deaf.isAlive()).isFalse();
      assertThatThrownBy(() -> deaf.open(1 << 16, 1 << 19))
          .satisfies(e -> assertCode(e, "WORKER_LOST"))
          .hasMessageContaining("does not read what it is told");
    }
  }

  @Test
  void lineThatIsNeverReadyLeavesNoDescriptors() {
    var system = (UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    WorkerProcess worker =
        WorkerProcess.start(folder -> HostileLaunch.command("not ready"), List.<HostFunction>of());
    try (worker) {
      assertThatThrownBy(() -> WorkerLine.open(worker, 1, worker.folder(), 1 << 16, 1 << 19))
          .hasMessageContaining("did not open an instance");
      long before = system.getOpenFileDescriptorCount();
      int lines = 10;
      for (int i = 0; i < lines; i++) {
        int id = 2 + i;
        assertThatThrownBy(() -> WorkerLine.open(worker, id, worker.folder(), 1 << 16, 1 << 19))
            .hasMessageContaining("did not open an instance");
      }
      assertThat(system.getOpenFileDescriptorCount() - before).isLessThan(lines);
    }
  }

  /// A guest that ends its worker at each call gets no JVM and no compiler for each.
  @Test
  void workerThatIsLostAgainAndAgainIsStartedLessAndLess() {
    AtomicLong clock = new AtomicLong(4711);
    try (Workers workers =
        new Workers(
            (isolation, functions) -> WorkerProcess.start(folder -> List.of("true"), functions),
            clock::get)) {
      Workers.Slot slot = workers.join(A, WORKER);
      for (int i = 0; i <= Workers.Restarts.FREE; i++) {
        lose(slot);
      }
      assertThat(slot.starts()).isEqualTo(1 + Workers.Restarts.FREE);
      for (int wait : new int[] {1_000, 2_000, 4_000, 8_000, 16_000, 32_000}) {
        for (int i = 0; i < 3; i++) {
          assertThatThrownBy(() -> slot.worker(List.of()))
              .satisfies(e -> assertCode(e, "WORKER_LOST"))
              .hasMessageContaining("the next is started in " + wait + " ms");
        }
        clock.addAndGet(TimeUnit.MILLISECONDS.toNanos(wait));
        lose(slot);
      }
      assertThat(slot.starts()).isEqualTo(1 + Workers.Restarts.FREE + 6);
      // One that lived for a while was none of the row.
      clock.addAndGet(TimeUnit.SECONDS.toNanos(64));
      lose(slot);
    }
  }

  private static void lose(Workers.Slot slot) {
    WorkerProcess process = slot.worker(List.of());
    await(() -> !process.isAlive(), "the process ends");
  }

  /// While one deploys to it, or calls a guest that it has to be given again.
  @ParameterizedTest
  @ValueSource(strings = {"silent", "forgets, then is silent"})
  void workerThatDoesNotOpenALineKeepsNobodyFromTheCompiler(String way) throws Exception {
    GuestModules modules = new GuestModules(new EndiveGuestEngine());
    int silentLine = way.equals("silent") ? 1 : 3;
    try (Attacked attacked = new Attacked(way, HANG);
        Workers workers = new Workers();
        ExecutorService callers = Executors.newFixedThreadPool(2)) {
      Future<Throwable> attack = callers.submit(() -> attack(attacked, modules));
      await(
          () -> {
            WorkerProcess process = attacked.slot.present();
            return process != null && Files.exists(process.folder().resolve("bell-" + silentLine));
          },
          "the line is being opened");
      Workers.Slot slot = workers.join(new TenantId("b"), WORKER);
      Future<GuestModules.Guest> other =
          callers.submit(() ->
              modules.getFrom(
                  new WorkerGuestEngine(slot, attacked.functions),
                  Attacked.guest(),
                  GuestLimits.DEFAULT));
      // Less than a worker may take to open a line.
      assertThat(other.get(20, TimeUnit.SECONDS).module()).isNotNull();
      assertThat(attack.isDone()).isFalse();
      attacked.process().recycle("has served");
      assertCode(attack.get(HANG.toSeconds(), TimeUnit.SECONDS), "WORKER_LOST");
    }
  }

  /// On a clock that the loading moves: answers come late, in time, and late again.
  @Test
  void workerThatAnswersLateDoesNotGetTheCompilerBeforeOthers() {
    AtomicLong clock = new AtomicLong(4711);
    try (Workers workers =
        new Workers(
            (isolation, functions) -> {
              throw new IllegalStateException("no process is needed");
            },
            clock::get)) {
      Workers.Slot late = workers.join(A, WORKER);
      Workers.Slot other = workers.join(new TenantId("b"), WORKER);
      load(late, clock, 4_999);
      for (int wait : new int[] {19_000, 38_000, 76_000, 152_000, 152_000}) {
        load(late, clock, 19_000);
        assertThatThrownBy(() -> load(late, clock, 0))
            .isInstanceOfSatisfying(
                LimitException.class,
                e -> {
                  assertThat(e.code()).isEqualTo("COMPILER_BUSY");
                  assertThat(e.retryAfter()).hasMillis(wait);
                })
            .hasMessageContaining("has it again in " + wait + " ms");
        load(other, clock, 0);
        clock.addAndGet(TimeUnit.MILLISECONDS.toNanos(wait));
      }
      load(late, clock, 1);
      load(late, clock, 19_000);
      assertThatThrownBy(() -> load(late, clock, 0)).hasMessageContaining("in 19000 ms");
    }
  }

  private static void load(Workers.Slot slot, AtomicLong clock, long millis) {
    AtomicBoolean loaded = new AtomicBoolean();
    slot.load(
        System.nanoTime() + HANG.toNanos(),
        () -> {
          loaded.set(true);
          clock.addAndGet(TimeUnit.MILLISECONDS.toNanos(millis));
        });
    assertThat(loaded).isTrue();
  }

  /// However many of its calls have to give it its guest again.
  @Test
  void workerHasOnePlaceInTheLineForTheCompiler() throws Exception {
    try (Workers workers = new Workers()) {
      Workers.Slot many = workers.join(A, WORKER);
      Workers.Slot other = workers.join(new TenantId("b"), WORKER);
      CompletableFuture<Void> end = new CompletableFuture<>();
      List<String> order = Collections.synchronizedList(new ArrayList<>());
      List<Thread> threads = new ArrayList<>();
      for (String name : List.of("first", "second", "third", "other")) {
        Workers.Slot slot = name.equals("other") ? other : many;
        Thread thread =
            new Thread(() ->
                slot.load(
                    System.nanoTime() + HANG.toNanos(),
                    () -> {
                      order.add(name);
                      end.orTimeout(HANG.toSeconds(), TimeUnit.SECONDS).join();
                    }));
        threads.add(thread);
        thread.start();
        await(
            () ->
                thread.getState() == Thread.State.TIMED_WAITING
                    || name.equals("first") && !order.isEmpty(),
            name + " waits");
      }
      end.complete(null);
      for (Thread thread : threads) {
        assertThat(thread.join(HANG)).isTrue();
      }
      assertThat(order).containsExactly("first", "other", "second", "third");
    }
  }

  /// Also where a worker was started anew: compiling is one at a time over all of them.
  @Test
  void guestsAreLoadedOneAtATimeOverAllWorkers() throws Exception {
    try (Workers workers = new Workers()) {
      Workers.Slot one = workers.join(A, WORKER);
      Workers.Slot other = workers.join(new TenantId("b"), WORKER);
      CompletableFuture<Void> begun = new CompletableFuture<>();
      CompletableFuture<Void> end = new CompletableFuture<>();
      CompletableFuture<Void> compiling =
          CompletableFuture.runAsync(() ->
              one.compile(
                  System.nanoTime() + HANG.toNanos(),
                  () -> {
                    begun.complete(null);
                    end.orTimeout(HANG.toSeconds(), TimeUnit.SECONDS).join();
                  }));
      begun.get(HANG.toSeconds(), TimeUnit.SECONDS);
      assertThatThrownBy(
              () -> other.compile(System.nanoTime() + 1_000_000, () -> assertThat(true).isFalse()))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("COMPILER_BUSY"));
      end.complete(null);
      compiling.get(HANG.toSeconds(), TimeUnit.SECONDS);
      AtomicLong ran = new AtomicLong();
      other.compile(System.nanoTime() + HANG.toNanos(), ran::incrementAndGet);
      assertThat(ran).hasValue(1);
    }
  }
}
