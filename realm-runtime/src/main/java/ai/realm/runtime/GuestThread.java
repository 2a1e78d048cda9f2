package ai.realm.runtime;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Runs the calls of a guest on a platform thread of its own with a fixed stack: so a guest can neither
/// hold a carrier nor recurse into the host's stack, and its CPU time is its thread's. Whoever made the
/// call watches deadline and CPU time meanwhile and interrupts it.
///
/// A thread whose call ended well waits a moment for the guest's next one: a new thread for each costs two
/// turns of the operating system's scheduler, and an allocation buffer of a megabyte that is thrown away
/// with it. One whose call ended in any other way ends too, so that nothing of it, an interrupt for one,
/// meets the next. One call at a time.
final class GuestThread implements AutoCloseable {
  /// How long a thread waits for the next call.
  private static final Duration IDLE = Duration.ofSeconds(1);

  /// How long an interrupted guest may take to stop.
  private static final Duration GRACE = Duration.ofSeconds(1);

  /// After how long it is interrupted again: the host's code may have swallowed the interrupt before.
  static final Duration INTERRUPT_AGAIN = Duration.ofMillis(20);

  /// How exactly CPU time is watched.
  private static final long WATCH_NANOS = 10_000_000;

  private final String name;
  private final long stackBytes;
  private @Nullable Runner runner;

  GuestThread(String name, long stackBytes) {
    this.name = name;
    this.stackBytes = HostStack.beside(stackBytes);
  }

  /// Runs a call's `work` and waits for it; past a limit the guest is interrupted.
  ///
  /// @throws GuestTrapException `GUEST_DEADLINE`, `GUEST_CPU` or `CPU_RATE`
  <T> T run(Supplier<T> work, Call call, Quota quota) {
    // Before the guest begins: limits that are lowered from then on are not the call's.
    Quota.Rates rates = quota.rates();
    End end = new End(quota);
    FutureTask<T> task =
        new FutureTask<>(() -> {
          try {
            return work.get();
          } finally {
            end.reached(Call.threadCpuNanos());
          }
        });
    Runner present = runner;
    runner = null;
    long cpuBefore = present == null ? 0 : present.cpuNanos();
    if (present == null || !present.take(task, call)) {
      cpuBefore = 0;
      present = new Runner(name, stackBytes, task, call);
    }
    Watch watch = new Watch(present.thread, cpuBefore, call, rates);
    try {
      while (true) {
        try {
          T result = task.get(Math.max(0, watch.nextLookNanos()), TimeUnit.NANOSECONDS);
          runner = present;
          return result;
        } catch (TimeoutException e) {
          GuestTrapException reason = watch.look();
          if (reason != null) {
            stop(present);
            throw reason;
          }
        }
      }
    } catch (ExecutionException e) {
      throw failure(e);
    } catch (InterruptedException e) {
      stop(present);
      Thread.currentThread().interrupt();
      throw new GuestTrapException("GUEST_CANCELLED", "guest: the caller was interrupted", e);
    } finally {
      end.left(watch);
      if (runner == null) {
        present.end();
      }
    }
  }

  /// Ends the thread that waits for another call.
  @Override
  public void close() {
    Runner present = runner;
    runner = null;
    if (present != null) {
      present.end();
    }
  }

  private static RuntimeException failure(ExecutionException e) {
    if (e.getCause() instanceof RuntimeException failure) {
      return failure;
    }
    if (e.getCause() instanceof StackOverflowError) {
      return HostStack.exhausted(e);
    }
    if (e.getCause() instanceof Error failure) {
      throw failure;
    }
    return new IllegalStateException("a guest's work failed", e.getCause());
  }

  private static long cpuNanos(Thread thread) {
    return ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId());
  }

  /// Interrupts the guest until it stops, or is given up. Who waits here may be a tool of a guest that is
  /// stopped in the same way: its own interrupts do not shorten the wait.
  private static void stop(Runner runner) {
    runner.end();
    boolean interrupted = false;
    long giveUp = System.nanoTime() + GRACE.toNanos();
    try {
      do {
        runner.thread.interrupt();
        try {
          if (runner.thread.join(INTERRUPT_AGAIN)) {
            return;
          }
        } catch (InterruptedException e) {
          interrupted = true;
        }
      } while (System.nanoTime() - giveUp < 0);
      throw new GuestTrapException(
          "GUEST_STUCK", "guest: did not stop within " + GRACE.toSeconds() + " s");
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /// Where a call's work ends, and whoever waits for it: mostly in this order. Work that is given up
  /// (`GUEST_STUCK`) still is a call of the tenant's, and its CPU time is charged when it does end.
  private static final class End {
    private final Quota quota;
    private final AtomicBoolean first = new AtomicBoolean();
    private volatile @Nullable Watch givenUp;
    private volatile long cpuNanos;

    End(Quota quota) {
      this.quota = quota;
    }

    /// The work has ended.
    ///
    /// @param threadNanos what its thread has used
    void reached(long threadNanos) {
      cpuNanos = threadNanos;
      Watch late = first.compareAndSet(false, true) ? null : givenUp;
      if (late != null) {
        late.end(threadNanos);
        quota.leave();
      }
    }

    /// Nobody waits for it any more.
    void left(Watch watch) {
      if (first.get()) {
        watch.end(cpuNanos);
        return;
      }
      givenUp = watch;
      quota.enter();
      if (!first.compareAndSet(false, true)) {
        quota.leave();
        watch.end(cpuNanos);
      }
    }
  }

  /// A thread and the place where it finds its next task.
  private static final class Runner {
    private static final Runnable NOTHING_MORE = () -> {};

    final Thread thread;
    private final AtomicReference<@Nullable Runnable> next;

    Runner(String name, long stackBytes, Runnable first, Call call) {
      next = new AtomicReference<>(first);
      thread = new Thread(null, this::run, name, stackBytes);
      thread.setDaemon(true);
      call.runsOn(thread);
      thread.start();
    }

    /// Whether the thread is still there to run it.
    boolean take(Runnable task, Call call) {
      call.runsOn(thread);
      if (!next.compareAndSet(null, task)) {
        return false;
      }
      LockSupport.unpark(thread);
      return true;
    }

    long cpuNanos() {
      return GuestThread.cpuNanos(thread);
    }

    void end() {
      next.set(NOTHING_MORE);
      LockSupport.unpark(thread);
    }

    private void run() {
      long until = 0;
      while (true) {
        Runnable task = next.get();
        if (task == NOTHING_MORE) {
          return;
        }
        if (task != null) {
          // Whoever waits for the task may bring the next one before it has quite returned here.
          next.compareAndSet(task, null);
          task.run();
          // One that the call did not need is not the next one's.
          Thread.interrupted();
          until = System.nanoTime() + IDLE.toNanos();
        } else if (System.nanoTime() - until >= 0) {
          next.compareAndSet(null, NOTHING_MORE);
        } else {
          LockSupport.parkNanos(this, until - System.nanoTime());
        }
      }
    }
  }

  /// Watches one call and charges its CPU time, at looks and at its end. A thread uses no more CPU time than time passes, so nothing is asked of the JVM
  /// before a limit can be reached at all.
  private static final class Watch {
    private final Thread thread;
    private final long cpuBefore;
    private final Call call;
    private final Quota.Rates rates;
    private long chargedNanos;

    /// @param cpuBefore nanoseconds that the thread had used when the call began
    Watch(Thread thread, long cpuBefore, Call call, Quota.Rates rates) {
      this.thread = thread;
      this.cpuBefore = cpuBefore;
      this.call = call;
      this.rates = rates;
    }

    long nextLookNanos() {
      long now = System.nanoTime();
      long toDeadline = call.deadlineNanos() - now;
      long toCpuLimit = call.cpuLimitNanos() - (now - call.startedNanos());
      long toLook = rates.limitsCpu() ? WATCH_NANOS : Math.max(WATCH_NANOS, toCpuLimit);
      return Math.min(toDeadline, toLook);
    }

    @Nullable GuestTrapException look() {
      long used = call.guestCpuNanos(cpuNanos(thread) - cpuBefore);
      boolean within = charge(used);
      if (call.isPastDeadline()) {
        return GuestTrapException.deadline(2 * used > System.nanoTime() - call.startedNanos());
      }
      if (used > call.cpuLimitNanos()) {
        return new GuestTrapException(
            "GUEST_CPU",
            "guest: at most %d ms of CPU time a call"
                .formatted(TimeUnit.NANOSECONDS.toMillis(call.cpuLimitNanos())));
      }
      return within
          ? null
          : new GuestTrapException(
              "CPU_RATE", "guest: the tenant's CPU time for this second is used up");
    }

    /// Charges what was used since the last look. Returns whether the tenant is within its limit.
    private boolean charge(long usedNanos) {
      long more = Math.max(0, usedNanos - chargedNanos);
      chargedNanos += more;
      return more == 0 || rates.chargeCpu(more);
    }

    /// Charges the rest.
    ///
    /// @param cpuAtEnd what the thread had used when the call ended
    void end(long cpuAtEnd) {
      charge(call.guestCpuNanos(cpuAtEnd - cpuBefore));
    }
  }
}
