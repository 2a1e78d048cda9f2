package ai.realm.runtime;

import ai.realm.engine.EngineException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The workers of a runtime: one for each tenant that runs its guests isolated, or for each group that
/// tenants' policies name. A worker is started when it is first needed, ends with the last realm that
/// uses it, and is started anew after it was lost.
final class Workers implements AutoCloseable {
  /// Processes at once: each costs tens of megabytes.
  private static final int MOST = 256;

  /// Starts a worker.
  @FunctionalInterface
  interface Launcher {
    WorkerProcess start(Isolation.Worker isolation, List<HostFunction> functions);
  }

  private static final long COMPILER_NANOS = TimeUnit.SECONDS.toNanos(60);

  private final Launcher launcher;
  private final LongSupplier nanoClock;
  private final Semaphore compiler = new Semaphore(1, true);
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<String, Slot> slots = new HashMap<>();
  private final AtomicBoolean swept = new AtomicBoolean();
  private boolean closed;

  Workers() {
    this(WorkerProcess::start, System::nanoTime);
  }

  Workers(Launcher launcher, LongSupplier nanoClock) {
    this.launcher = launcher;
    this.nanoClock = nanoClock;
  }

  /// Runs what reads and compiles a guest in a worker: one at a time over all workers, whether it is new
  /// there or the worker was started anew. What waits for a worker to start or to answer else comes before,
  /// or one that a guest took over would keep all others' guests waiting.
  ///
  /// @throws LimitException `COMPILER_BUSY` when others take too long
  void compile(long deadlineNanos, Runnable loading) {
    take(compiler, deadlineNanos);
    try {
      loading.run();
    } finally {
      compiler.release();
    }
  }

  private static void take(Semaphore turn, long deadlineNanos) {
    long wait = Math.min(deadlineNanos - System.nanoTime(), COMPILER_NANOS);
    try {
      if (!turn.tryAcquire(wait, TimeUnit.NANOSECONDS)) {
        throw new LimitException(
            "COMPILER_BUSY", "worker: other guests keep the compiler", COMPILER_NANOS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GuestTrapException("GUEST_CANCELLED", "guest: interrupted before it began", e);
    }
  }

  /// The worker of a realm, which [Slot#close] leaves.
  ///
  /// @throws LimitException `WORKER_LIMIT`
  /// @throws EngineException `ENGINE_CLOSED` after [#close]
  Slot join(TenantId tenant, Isolation.Worker isolation) {
    // A tenant can name no group of another's making.
    String key =
        isolation.group().isEmpty() ? "tenant " + tenant.name() : "group " + isolation.group();
    lock.lock();
    try {
      if (closed) {
        throw new EngineException("ENGINE_CLOSED", "the runtime is closed");
      }
      Slot present = slots.get(key);
      if (present == null) {
        if (slots.size() >= MOST) {
          throw new LimitException("WORKER_LIMIT", "at most " + MOST + " workers", 0);
        }
        present = new Slot(key, isolation);
        slots.put(key, present);
      }
      present.users++;
      return present;
    } finally {
      lock.unlock();
    }
  }

  private void leave(Slot slot) {
    boolean last;
    lock.lock();
    try {
      slot.users--;
      last = slot.users == 0;
      if (last) {
        slots.remove(slot.key);
      }
    } finally {
      lock.unlock();
    }
    if (last) {
      slot.end();
    }
  }

  @Override
  public void close() {
    List<Slot> ending;
    lock.lock();
    try {
      closed = true;
      ending = List.copyOf(slots.values());
      slots.clear();
    } finally {
      lock.unlock();
    }
    ending.forEach(Slot::end);
  }

  /// Where a worker is, or will be.
  final class Slot implements AutoCloseable {
    private final String key;
    private final Isolation.Worker isolation;
    private final ReentrantLock starting = new ReentrantLock();
    private final AtomicInteger starts = new AtomicInteger();
    private @Nullable WorkerProcess process;
    private final Restarts restarts = new Restarts();
    private final Semaphore turn = new Semaphore(1, true);
    private final LateAnswers lateAnswers = new LateAnswers();
    private boolean ended;
    private int users;

    private Slot(String key, Isolation.Worker isolation) {
      this.key = key;
      this.isolation = isolation;
    }

    /// See [Workers#compile].
    void compile(long deadlineNanos, Runnable loading) {
      Workers.this.compile(deadlineNanos, loading);
    }

    /// The same for what the worker itself reads and compiles, which may answer as late as it likes: it has one
    /// place in the line whatever its tenants do, and none for a while after it was late.
    ///
    /// @throws LimitException `COMPILER_BUSY` for that while, too
    void load(long deadlineNanos, Runnable loading) {
      take(turn, deadlineNanos);
      try {
        lateAnswers.check(nanoClock.getAsLong());
        compile(
            deadlineNanos,
            () -> {
              long began = nanoClock.getAsLong();
              try {
                loading.run();
              } finally {
                lateAnswers.ended(began, nanoClock.getAsLong());
              }
            });
      } finally {
        turn.release();
      }
    }

    /// The worker, started if there is none.
    ///
    /// @throws GuestTrapException `WORKER_LOST` while one that is lost again and again is not started
    WorkerProcess worker(List<HostFunction> functions) {
      starting.lock();
      try {
        if (ended) {
          throw new GuestTrapException("GUEST_CANCELLED", "worker: the realm was removed");
        }
        WorkerProcess present = process;
        if (present == null || !present.isAlive()) {
          if (present != null) {
            present.close();
            process = null;
            restarts.lost(nanoClock.getAsLong());
          }
          restarts.check(nanoClock.getAsLong());
          present = launcher.start(isolation, functions);
          restarts.started(nanoClock.getAsLong());
          process = present;
          starts.incrementAndGet();
          if (swept.compareAndSet(false, true)) {
            // While it starts.
            present.sweep();
          }
        }
        return present;
      } finally {
        starting.unlock();
      }
    }

    /// The process, where there is one.
    @Nullable WorkerProcess present() {
      starting.lock();
      try {
        return process;
      } finally {
        starting.unlock();
      }
    }

    /// How often a process was started.
    int starts() {
      return starts.get();
    }

    private void end() {
      starting.lock();
      try {
        ended = true;
        if (process != null) {
          process.close();
          process = null;
        }
      } finally {
        starting.unlock();
      }
    }

    @Override
    public void close() {
      leave(this);
    }
  }

  /// When a worker may have the compiler again, which it kept for long, as one that a guest took over does on
  /// purpose: first for as long as it had kept it, each time in a row twice that. Used by who has the turn.
  static final class LateAnswers {
    /// What guests that are admitted stay below by far.
    static final Duration LATE = Duration.ofSeconds(5);

    /// No worker is waited for longer.
    private static final Duration LATEST = Duration.ofSeconds(20);

    private static final int MOST_DOUBLINGS = 3;

    private long endedNanos;
    private long waitNanos;
    private int inARow;

    void ended(long beganNanos, long nowNanos) {
      long kept = Math.min(LATEST.toNanos(), nowNanos - beganNanos);
      inARow = kept < LATE.toNanos() ? 0 : inARow + 1;
      waitNanos = inARow == 0 ? 0 : kept << Math.min(MOST_DOUBLINGS, inARow - 1);
      endedNanos = nowNanos;
    }

    /// @throws LimitException `COMPILER_BUSY` while it may not
    void check(long now) {
      long left = endedNanos + waitNanos - now;
      if (waitNanos > 0 && left > 0) {
        throw new LimitException(
            "COMPILER_BUSY",
            "worker: kept the compiler for long, %d times in a row, and has it again in %d ms"
                .formatted(inARow, TimeUnit.NANOSECONDS.toMillis(left)),
            left);
      }
    }
  }

  /// When a worker may be started again: a guest that ends its worker at each call would have a JVM started
  /// and itself compiled for nothing each time. The first losses cost no wait; the next ones within a while
  /// twice as much each.
  static final class Restarts {
    /// Losses in a row that are not waited for.
    static final int FREE = 3;

    /// A worker that lived this long was none of a row.
    static final Duration CALM = Duration.ofSeconds(60);

    private static final Duration FIRST = Duration.ofSeconds(1);
    private static final int MOST_DOUBLINGS = 6;

    private long startedNanos;
    private long waitNanos;
    private long lostNanos;
    private int inARow;

    void started(long now) {
      startedNanos = now;
    }

    void lost(long now) {
      inARow = now - startedNanos >= CALM.toNanos() ? 1 : inARow + 1;
      lostNanos = now;
      waitNanos =
          inARow <= FREE ? 0 : FIRST.toNanos() << Math.min(MOST_DOUBLINGS, inARow - FREE - 1);
    }

    /// @throws GuestTrapException `WORKER_LOST` while none may be started
    void check(long now) {
      long left = lostNanos + waitNanos - now;
      if (waitNanos > 0 && left > 0) {
        throw new GuestTrapException(
            "WORKER_LOST",
            "worker: was lost %d times in a row, the next is started in %d ms"
                .formatted(inARow, TimeUnit.NANOSECONDS.toMillis(left)));
      }
    }
  }
}
