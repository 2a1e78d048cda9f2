package ai.realm.runtime;

import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/// The thread that a realm's guest runs on: a platform thread with a fixed stack, so that a guest can
/// neither hold a carrier nor recurse into the host's stack. Interrupts stop the guest.
final class GuestThread implements AutoCloseable {
  /// How long an interrupted guest may take to stop.
  private static final Duration GRACE = Duration.ofSeconds(5);

  private final ThreadPoolExecutor executor;

  GuestThread(String name, long stackBytes) {
    executor =
        new ThreadPoolExecutor(
            0,
            1,
            30,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(1),
            task -> {
              Thread thread = new Thread(null, task, name, stackBytes);
              thread.setDaemon(true);
              return thread;
            });
  }

  /// Runs `work` and waits for it; past `deadlineNanos` the guest is interrupted.
  ///
  /// @throws GuestTrapException `GUEST_DEADLINE` past the deadline
  <T> T run(Supplier<T> work, long deadlineNanos) {
    FutureTask<T> task = new FutureTask<>(work::get);
    executor.execute(task);
    try {
      return result(task, deadlineNanos - System.nanoTime());
    } catch (TimeoutException e) {
      stop(task);
      throw new GuestTrapException("GUEST_DEADLINE", "guest: its time for the call is over", e);
    } catch (InterruptedException e) {
      stop(task);
      Thread.currentThread().interrupt();
      throw new GuestTrapException("GUEST_CANCELLED", "guest: the caller was interrupted", e);
    }
  }

  private static <T> T result(Future<T> task, long nanos)
      throws InterruptedException, TimeoutException {
    try {
      return task.get(Math.max(0, nanos), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw failure;
      }
      if (e.getCause() instanceof Error failure) {
        throw failure;
      }
      throw new IllegalStateException("a guest's work failed", e.getCause());
    }
  }

  private void stop(FutureTask<?> task) {
    task.cancel(true);
    // A task that ended is followed at once; one that ignores the interrupt holds the thread.
    FutureTask<Boolean> next = new FutureTask<>(() -> Thread.interrupted());
    executor.execute(next);
    try {
      result(next, GRACE.toNanos());
    } catch (TimeoutException e) {
      throw new GuestTrapException(
          "GUEST_STUCK", "guest: did not stop within " + GRACE.toSeconds() + " s", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }
}
