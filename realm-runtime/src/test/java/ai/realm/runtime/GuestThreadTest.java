package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Which thread a guest's calls run on.
@Timeout(60)
final class GuestThreadTest {
  private static final ResourceLimits LIMITS =
      ResourceLimits.builder()
          .guest(
              GuestLimits.DEFAULT
                  .withDeadline(Duration.ofSeconds(2))
                  .withCpuTime(Duration.ofMillis(60)))
          .build();

  private final Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
  private final RuntimeConfig config =
      RuntimeConfig.builder(backend)
          .model("model", Path.of("none.gguf"))
          .maxContext(64)
          .sequences(4)
          .memory64Bytes(0)
          .limits(LIMITS.guest())
          .build();
  private final ModelCatalog models = new ModelCatalog(config);
  private final Memory64Manager memory64 = RealmRuntime.newMemory64(config);
  private final Realm realm =
      new Realm(new TenantId("t"), LIMITS, models, memory64, GuestTools.NONE);
  private final GuestThread guest = new GuestThread("guest", 256 << 10);

  @AfterEach
  void end() {
    guest.close();
    models.close();
    memory64.close();
    backend.close();
  }

  private <T> T run(Supplier<T> work) {
    return guest.run(work, new Call(List.of(), text -> {}, realm), realm.quota());
  }

  @Test
  void callsThatEndWellShareAThread() {
    Thread first = run(Thread::currentThread);
    for (int i = 0; i < 1000; i++) {
      assertThat(run(Thread::currentThread)).isSameAs(first);
    }
    assertThat(first).isNotSameAs(Thread.currentThread());
  }

  @Test
  void afterAFailureTheNextCallHasAnotherThread() throws InterruptedException {
    Thread first = run(Thread::currentThread);
    assertThatThrownBy(() ->
            run(() -> {
              throw new IllegalArgumentException("a guest's failure");
            }))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a guest's failure");
    assertThat(run(Thread::currentThread)).isNotSameAs(first);
    assertThat(first.join(Duration.ofSeconds(10))).as("the first thread ended").isTrue();
  }

  @Test
  void aStoppedCallLeavesNoInterruptToTheNext() {
    Thread first = run(Thread::currentThread);
    CountDownLatch never = new CountDownLatch(1);
    assertThatThrownBy(() -> run(() -> await(never)))
        .isInstanceOf(GuestTrapException.class)
        .hasMessageContaining("its time for the call is over");
    assertThat(run(() -> Thread.currentThread().isInterrupted())).isFalse();
    assertThat(first.isAlive()).isFalse();
  }

  /// A tool that was cancelled leaves one, and its guest may answer all the same.
  @Test
  void aCallThatEndsWellLeavesNoInterruptToTheNext() {
    Thread first =
        run(() -> {
          Thread.currentThread().interrupt();
          return Thread.currentThread();
        });
    long cpuBefore = cpuNanos(first);
    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(300));
    assertThat(cpuNanos(first) - cpuBefore)
        .as("it waits for the next call")
        .isLessThan(TimeUnit.MILLISECONDS.toNanos(30));
    assertThat(run(() -> Thread.currentThread().isInterrupted())).isFalse();
    assertThat(run(Thread::currentThread)).isSameAs(first);
  }

  private static long cpuNanos(Thread thread) {
    return ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId());
  }

  /// Waits for an interrupt and swallows it, so often.
  private static boolean swallow(int interrupts) {
    for (int i = 0; i < interrupts; i++) {
      await(new CountDownLatch(1));
      Thread.interrupted();
    }
    return true;
  }

  /// It is a call of the tenant's until it ends, and its CPU time is the tenant's.
  @Test
  void workThatIsGivenUpCountsUntilItEnds() {
    AtomicBoolean over = new AtomicBoolean();
    assertThatThrownBy(() ->
            run(() -> {
              while (!over.get()) {
                Thread.interrupted();
              }
              return 0;
            }))
        .isInstanceOfSatisfying(
            GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_STUCK"));
    assertThat(realm.quota().running()).isEqualTo(1);
    long charged = realm.meter().usage().cpuNanos();
    over.set(true);
    while (realm.quota().running() > 0) {
      LockSupport.parkNanos(1_000_000);
    }
    assertThat(realm.meter().usage().cpuNanos()).isGreaterThan(charged);
    run(() -> 0);
    assertThat(realm.quota().running()).isZero();
  }

  /// Or another call of the tenant's would be one too many for a moment.
  @Test
  void aCallThatEndsCountsForNoneMore() throws InterruptedException {
    AtomicBoolean over = new AtomicBoolean();
    AtomicReference<Integer> most = new AtomicReference<>(0);
    Thread watcher =
        new Thread(() -> {
          while (!over.get()) {
            most.set(Math.max(most.get(), realm.quota().running()));
          }
        });
    watcher.start();
    for (int i = 0; i < 10_000; i++) {
      run(() -> 0);
    }
    over.set(true);
    watcher.join();
    assertThat(most.get()).isZero();
  }

  @Test
  void whoComputesUpToTheDeadlineFailsAndWhoWaitsDoesNot() {
    assertThat(verdictAtTheDeadline(0)).isEqualTo(GuestVerdict.NEITHER);
    assertThat(verdictAtTheDeadline(TimeUnit.MINUTES.toNanos(5))).isEqualTo(GuestVerdict.FAILED);
  }

  /// @param cpuNanos that a worker says that its guest has used
  private GuestVerdict verdictAtTheDeadline(long cpuNanos) {
    GuestLimits limits =
        GuestLimits.DEFAULT
            .withDeadline(Duration.ofMillis(100))
            .withCpuTime(Duration.ofMinutes(10));
    ResourceLimits unbounded = ResourceLimits.unbounded(limits);
    Realm patient = new Realm(new TenantId("p"), unbounded, models, memory64, GuestTools.NONE);
    Call call = new Call(List.of(), text -> {}, patient);
    call.watchElsewhere(() -> cpuNanos);
    try (GuestThread thread = new GuestThread("patient", 256 << 10)) {
      thread.run(() -> await(new CountDownLatch(1)), call, patient.quota());
      throw new AssertionError("it has a deadline");
    } catch (GuestTrapException e) {
      assertThat(e.code()).isEqualTo("GUEST_DEADLINE");
      return GuestVerdict.of(e);
    }
  }

  @Test
  void interruptsThatAreSwallowedComeAgain() {
    Thread first = run(Thread::currentThread);
    assertThatThrownBy(() -> run(() -> swallow(5)))
        .isInstanceOf(GuestTrapException.class)
        .hasMessageContaining("its time for the call is over");
    assertThat(first.isAlive()).isFalse();
  }

  @Test
  void interruptsOfTheCpuLimitComeAgainToo() {
    // It uses its CPU time up, and then waits in what swallows interrupts.
    assertThatThrownBy(() -> run(() -> work(70) && swallow(5)))
        .isInstanceOf(GuestTrapException.class)
        .hasMessageContaining("60 ms of CPU time");
  }

  /// A caller that is interrupted meanwhile, as a tool of a guest is that is stopped itself, does not let go of
  /// a guest that has not ended.
  @Test
  void interruptsOfTheCallerDoNotEndTheWaitForItsGuest() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    AtomicReference<Thread> inner = new AtomicReference<>();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    AtomicBoolean flagged = new AtomicBoolean();
    AtomicBoolean ended = new AtomicBoolean();
    Thread caller =
        Thread.ofPlatform()
            .start(() -> {
              try {
                run(() -> {
                  inner.set(Thread.currentThread());
                  begun.countDown();
                  return swallow(5);
                });
              } catch (GuestTrapException e) {
                failure.set(e);
                flagged.set(Thread.currentThread().isInterrupted());
                ended.set(!inner.get().isAlive());
              }
            });
    assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
    do {
      caller.interrupt();
    } while (!caller.join(Duration.ofMillis(10)));
    assertThat(failure.get()).hasMessageContaining("the caller was interrupted");
    assertThat(ended).isTrue();
    assertThat(flagged).isTrue();
  }

  @Test
  void cpuTimeOfEarlierCallsIsNotCounted() {
    for (int i = 0; i < 4; i++) {
      // Longer than the limit, so that it is looked at, with less CPU time.
      assertThat(run(() -> spin(35) && sleep(60))).as("call %d", i).isTrue();
    }
    assertThatThrownBy(() -> run(() -> spin(5_000)))
        .isInstanceOf(GuestTrapException.class)
        .hasMessageContaining("60 ms of CPU time");
  }

  @Test
  void manyShortCallsHaveTheCpuTimeOfOneLongOne() {
    ResourceLimits limits = ResourceLimits.builder().cpuMillisPerSecond(20).build();
    UsageMeter meter = new UsageMeter();
    // Time stands still: nothing is paid off.
    Quota quota = new Quota(new TenantId("t"), limits, meter, () -> 0);
    int admitted = 0;
    LimitException refusal = null;
    while (refusal == null && admitted < 100) {
      long begun;
      try {
        begun = quota.begin();
      } catch (LimitException e) {
        refusal = e;
        continue;
      }
      admitted++;
      try {
        guest.run(() -> work(3), new Call(List.of(), text -> {}, realm), quota);
      } catch (GuestTrapException e) {
        // On a busy machine one is looked at before it ends.
        assertThat(e.code()).isEqualTo("CPU_RATE");
      } finally {
        quota.end(begun);
      }
    }
    assertThat(refusal).isNotNull();
    assertThat(refusal.code()).isEqualTo("CPU_RATE");
    assertThat(refusal.retryAfter()).isPositive();
    assertThat(admitted).as("calls of 3 ms").isBetween(1, 7);
    assertThat(meter.usage().cpuNanos()).isGreaterThan(TimeUnit.MILLISECONDS.toNanos(20));
  }

  @Test
  void whoWaitsEarnsNoCpuTime() {
    Call call = new Call(List.of(), text -> {}, realm);
    UsageMeter meter = new UsageMeter();
    Quota quota = new Quota(new TenantId("t"), LIMITS, meter, () -> 0);
    guest.run(
        () -> {
          for (int i = 0; i < 100; i++) {
            long cpuBefore = Call.threadCpuNanos();
            long before = System.nanoTime();
            sleep(1);
            call.countWait(System.nanoTime() - before);
            call.excuseSince(cpuBefore);
          }
          return work(20);
        },
        call,
        quota);
    assertThat(meter.usage().cpuNanos()).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(20));
  }

  @Test
  void whatAGuestUsedElsewhereStaysCounted() {
    Call call = new Call(List.of(), text -> {}, realm);
    call.watchElsewhere(() -> 5_000_000);
    assertThat(call.guestCpuNanos(0)).isEqualTo(5_000_000);
    call.watchElsewhere(null);
    assertThat(call.guestCpuNanos(1_000)).isEqualTo(5_001_000);
    call.watchElsewhere(() -> 2_000_000);
    call.watchElsewhere(null);
    assertThat(call.guestCpuNanos(0)).isEqualTo(7_000_000);
  }

  @Test
  void aThreadThatNobodyNeedsEnds() throws InterruptedException {
    Thread idle = run(Thread::currentThread);
    assertThat(idle.join(Duration.ofSeconds(20))).as("ended by itself").isTrue();
    Thread next = run(Thread::currentThread);
    assertThat(next).isNotSameAs(idle);
    guest.close();
    assertThat(next.join(Duration.ofSeconds(10))).as("ended with the guest").isTrue();
  }

  /// Uses so much CPU time of the guest's thread.
  private static boolean work(long millis) {
    long until = Call.threadCpuNanos() + TimeUnit.MILLISECONDS.toNanos(millis);
    while (Call.threadCpuNanos() < until && !Thread.currentThread().isInterrupted()) {
      Thread.onSpinWait();
    }
    return true;
  }

  private static boolean sleep(long millis) {
    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
    return true;
  }

  private static boolean await(CountDownLatch latch) {
    try {
      return latch.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /// Uses CPU time until it was so much or the thread is interrupted.
  private static boolean spin(long millis) {
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    while (System.nanoTime() < until && !Thread.currentThread().isInterrupted()) {
      Thread.onSpinWait();
    }
    return true;
  }
}
