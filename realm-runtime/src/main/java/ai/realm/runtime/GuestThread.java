package ai.realm.runtime;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Runs each call of a guest on a platform thread of its own with a fixed stack: so a guest can neither
/// hold a carrier nor recurse into the host's stack, its CPU time is its thread's, and nothing of a call,
/// an interrupt for one, meets the next. Whoever made the call watches deadline and CPU time meanwhile
/// and interrupts it.
final class GuestThread {
  /// How long an interrupted guest may take to stop.
  private static final Duration GRACE = Duration.ofSeconds(1);

  /// How exactly CPU time is watched.
  private static final long WATCH_NANOS = 10_000_000;

  private final String name;
  private final long stackBytes;

  GuestThread(String name, long stackBytes) {
    this.name = name;
    this.stackBytes = stackBytes;
  }

  /// Runs a call's `work` and waits for it; past a limit the guest is interrupted.
  ///
  /// @throws GuestTrapException `GUEST_DEADLINE`, `GUEST_CPU` or `CPU_RATE`
  <T> T run(Supplier<T> work, Call call, Quota quota) {
    FutureTask<T> task = new FutureTask<>(work::get);
    Thread thread = new Thread(null, task, name, stackBytes);
    thread.setDaemon(true);
    call.runsOn(thread);
    thread.start();
    try {
      Watch watch = new Watch(thread, call, quota);
      while (true) {
        try {
          return task.get(Math.max(0, watch.nextLookNanos()), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
          GuestTrapException reason = watch.look();
          if (reason != null) {
            stop(thread);
            throw reason;
          }
        }
      }
    } catch (ExecutionException e) {
      throw failure(e);
    } catch (InterruptedException e) {
      stop(thread);
      Thread.currentThread().interrupt();
      throw new GuestTrapException("GUEST_CANCELLED", "guest: the caller was interrupted", e);
    }
  }

  private static RuntimeException failure(ExecutionException e) {
    if (e.getCause() instanceof RuntimeException failure) {
      return failure;
    }
    if (e.getCause() instanceof Error failure) {
      throw failure;
    }
    return new IllegalStateException("a guest's work failed", e.getCause());
  }

  private static void stop(Thread thread) {
    thread.interrupt();
    try {
      if (!thread.join(GRACE)) {
        throw new GuestTrapException(
            "GUEST_STUCK", "guest: did not stop within " + GRACE.toSeconds() + " s");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Watches one call. A thread uses no more CPU time than time passes, so nothing is asked of the JVM
  /// before a limit can be reached at all.
  private static final class Watch {
    private final Thread thread;
    private final Call call;
    private final Quota quota;
    private long chargedMillis;

    Watch(Thread thread, Call call, Quota quota) {
      this.thread = thread;
      this.call = call;
      this.quota = quota;
    }

    long nextLookNanos() {
      long now = System.nanoTime();
      long toDeadline = call.deadlineNanos() - now;
      long toCpuLimit = call.cpuLimitNanos() - (now - call.startedNanos());
      long toLook = quota.limitsCpuRate() ? WATCH_NANOS : Math.max(WATCH_NANOS, toCpuLimit);
      return Math.min(toDeadline, toLook);
    }

    @Nullable GuestTrapException look() {
      if (call.isPastDeadline()) {
        return new GuestTrapException("GUEST_DEADLINE", "guest: its time for the call is over");
      }
      long cpu = ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId());
      long used = call.guestCpuNanos(cpu);
      if (used > call.cpuLimitNanos()) {
        return new GuestTrapException(
            "GUEST_CPU",
            "guest: at most %d ms of CPU time a call"
                .formatted(TimeUnit.NANOSECONDS.toMillis(call.cpuLimitNanos())));
      }
      long more = TimeUnit.NANOSECONDS.toMillis(used) - chargedMillis;
      if (more > 0 && quota.limitsCpuRate()) {
        chargedMillis += more;
        if (!quota.takeCpu(more)) {
          return new GuestTrapException(
              "CPU_RATE", "guest: the tenant's CPU time for this second is used up");
        }
      }
      return null;
    }
  }
}
