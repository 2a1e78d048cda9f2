package ai.realm.compute.cpu;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Persistent threads that share the chunks of one task at a time; the caller takes part as worker 0.
///
/// A task is published as one word, `epoch << 32 | chunks left`. A worker claims a chunk by counting
/// the word down with a compare-and-set, which also proves that the task and the chunk count it read
/// belong to that epoch: while a chunk is unclaimed, the caller cannot have moved on. Nobody waits for
/// a worker that claimed nothing, so a worker that the operating system holds back costs its share of
/// the work and no more. Idle workers spin for some microseconds, then park; nothing is allocated per
/// task.
///
/// ```
/// caller   publish ── chunk 0 ── chunk 3 ── chunk 4 ─┬─ spin until all are done ── return
/// worker 1    └────── chunk 1 ────────── chunk 5 ────┘
/// worker 2      (parked: unpark) ── chunk 2 ─────────┘
/// ```
final class WorkerPool implements AutoCloseable {
  /// One chunk of a task. Exceptions reach the caller of [WorkerPool#run].
  @FunctionalInterface
  interface Task {
    /// Computes chunk `chunk`; `worker`, from 0 to `threads() - 1`, is used by one thread at a time
    /// and picks scratch memory.
    void run(int chunk, int worker);
  }

  /// Something useful that a thread does while it waits.
  @FunctionalInterface
  interface Idle {
    /// Does a little of it, for less than a microsecond; whether there is more.
    boolean idle(int worker);
  }

  /// How long an idle worker spins for the next task: longer than the gaps between the operations of
  /// a forward pass, shorter than anything a user would notice as load.
  private static final long IDLE_SPIN_NANOS = 60_000;

  /// How long the caller spins for the last chunks before it lets other threads of the machine run.
  private static final long BARRIER_SPIN_NANOS = 100_000;

  private static final long BARRIER_YIELD_NANOS = 2_000_000;
  private static final long BARRIER_PARK_NANOS = 50_000;
  private static final Duration TURN_DEADLINE = Duration.ofSeconds(120);
  private static final Duration CLOSE_DEADLINE = Duration.ofSeconds(10);
  private static final int SPINS_PER_CLOCK_READ = 64;
  private static final int MOST_OF_FIRST = 62;
  private static final long LEFT_MASK = 0xFFFF_FFFFL;

  private final PaddedLong state = new PaddedLong();
  private final PaddedLong done = new PaddedLong();

  /// Bit i: chunk i of the first round is not taken. Each worker takes the one of its own number if it can.
  private final PaddedLong first = new PaddedLong();

  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final ReentrantLock turn = new ReentrantLock();
  private final Worker[] workers;
  private volatile Idle idle = worker -> false;
  private volatile boolean closed;

  /// Threads that take part, the caller's included.
  private volatile int active;

  // Written before the epoch is published in `state`, read after it was seen there.
  private @Nullable Task task;
  private int chunks;

  /// A pool of `threads` threads, the caller of [#run] included.
  WorkerPool(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("expected at least 1 thread, found " + threads);
    }
    active = threads;
    workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
    }
    for (Worker worker : workers) {
      worker.start();
    }
  }

  /// What threads do while they wait for each other and, for a short while, for a task.
  void whileIdle(Idle work) {
    idle = work;
  }

  /// Gives one thread nothing to do from the next task on where that is no more than `part` of all; the caller
  /// always works. What a task's chunks are stays the same.
  void keepFree(double part) {
    int most = threads() > 1 && threads() * part >= 1 ? threads() - 1 : threads();
    if (active != most) {
      active = most;
    }
  }

  /// Threads that compute, the caller's included.
  int threads() {
    return workers.length + 1;
  }

  /// Runs `task` for every chunk from 0 to `chunks - 1` and returns when all are done. Callers take
  /// turns; a task must not call `run` itself.
  ///
  /// @throws RuntimeException or Error: the first that a chunk threw; chunks not yet begun are then
  ///     left out
  void run(Task task, int chunks) {
    if (chunks <= 0) {
      return;
    }
    takeTurn();
    try {
      if (closed) {
        throw new IllegalStateException("worker pool is closed");
      }
      if (chunks == 1 || workers.length == 0) {
        for (int chunk = 0; chunk < chunks; chunk++) {
          task.run(chunk, 0);
        }
      } else {
        share(task, chunks);
      }
    } finally {
      turn.unlock();
    }
  }

  private void share(Task task, int chunks) {
    this.task = task;
    this.chunks = chunks;
    done.set(0);
    first.set((1L << firstRound(chunks)) - 1);
    long epoch = (state.get() >>> 32) + 1;
    state.set(epoch << 32 | chunks);
    int wanted = Math.min(active - 1, chunks - 1);
    for (int i = 0; i < wanted; i++) {
      workers[i].wake();
    }
    work(0);
    awaitDone(chunks);
    this.task = null;
    Throwable thrown = failure.get();
    if (thrown != null) {
      failure.set(null);
      switch (thrown) {
        case Error e -> throw e;
        case RuntimeException e -> throw e;
        default -> throw new IllegalStateException("a chunk of a compute task failed", thrown);
      }
    }
  }

  /// Claims and runs chunks until none is left; whether there was any. An error of a chunk reaches whoever runs
  /// the task, also one that the JVM delivers late, between chunks, as it may for a fault in mapped memory.
  private boolean work(int worker) {
    long finished = 0;
    boolean claimed = false;
    try {
      long word = state.get();
      while ((word & LEFT_MASK) != 0) {
        Task current = task;
        int ticket = chunks - (int) word;
        if (state.compareAndSet(word, word - 1)) {
          claimed = true;
          int chunk = ticket < firstRound(chunks) ? ownOfFirst(worker) : ticket;
          if (failure.get() == null) {
            run(current, chunk, worker);
          }
          finished++;
          claimed = false;
        }
        word = state.get();
      }
    } catch (Throwable t) {
      failure.compareAndSet(null, t);
      finished += claimed ? 1 : 0;
    }
    if (finished == 0) {
      return false;
    }
    // After this the caller may go on; nothing of the task may be touched.
    done.addAndGet(finished);
    return true;
  }

  private void run(@Nullable Task task, int chunk, int worker) {
    try {
      if (task == null) {
        throw new IllegalStateException("chunk without a task");
      }
      task.run(chunk, worker);
    } catch (Throwable t) {
      failure.compareAndSet(null, t);
    }
  }

  private int firstRound(int chunks) {
    return Math.min(Math.min(chunks, threads()), MOST_OF_FIRST);
  }

  /// As many threads come here as bits are set.
  private int ownOfFirst(int worker) {
    while (true) {
      long left = first.get();
      long own = worker < MOST_OF_FIRST ? left & 1L << worker : 0;
      long mine = own != 0 ? own : Long.lowestOneBit(left);
      if (first.compareAndSet(left, left & ~mine)) {
        return Long.numberOfTrailingZeros(mine);
      }
    }
  }

  private void awaitDone(int chunks) {
    long start = 0;
    int spins = 0;
    boolean more = true;
    while (done.get() != chunks) {
      more = more && idle.idle(0);
      Thread.onSpinWait();
      if (++spins % SPINS_PER_CLOCK_READ != 0) {
        continue;
      }
      long now = System.nanoTime();
      if (start == 0) {
        start = now;
      }
      if (now - start > BARRIER_YIELD_NANOS) {
        LockSupport.parkNanos(this, BARRIER_PARK_NANOS);
      } else if (now - start > BARRIER_SPIN_NANOS) {
        Thread.yield();
      }
    }
  }

  private void takeTurn() {
    if (turn.isHeldByCurrentThread()
        || (Thread.currentThread() instanceof Worker worker && worker.pool() == this)) {
      throw new IllegalStateException("a compute task must not run another one");
    }
    if (turn.tryLock()) {
      return;
    }
    boolean mine = false;
    try {
      mine = turn.tryLock(TURN_DEADLINE.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (!mine) {
      throw new IllegalStateException(
          "expected a turn on the worker pool within %d s, found it busy or the caller interrupted"
              .formatted(TURN_DEADLINE.toSeconds()));
    }
  }

  /// Stops the threads; waits for a running task first.
  @Override
  public void close() {
    takeTurn();
    try {
      closed = true;
    } finally {
      turn.unlock();
    }
    boolean interrupted = false;
    for (Worker worker : workers) {
      LockSupport.unpark(worker);
    }
    for (Worker worker : workers) {
      try {
        if (!worker.join(CLOSE_DEADLINE)) {
          throw new IllegalStateException(
              "%s: expected to end within %d s"
                  .formatted(worker.getName(), CLOSE_DEADLINE.toSeconds()));
        }
      } catch (InterruptedException e) {
        interrupted = true;
        break;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /// Owns one worker number. Parks after a short spin and is woken by the caller of [#run].
  private final class Worker extends Thread {
    private final int index;
    private final AtomicBoolean parked = new AtomicBoolean();

    Worker(int index) {
      super("realm-compute-" + index);
      this.index = index;
      setDaemon(true);
    }

    WorkerPool pool() {
      return WorkerPool.this;
    }

    void wake() {
      // The published word is visible before this read, and `parked` was set before the worker's
      // last
      // look at the word: one of the two sees the other.
      if (parked.get() && parked.compareAndSet(true, false)) {
        LockSupport.unpark(this);
      }
    }

    @Override
    public void run() {
      while (!closed) {
        if (!hasWork() || !work(index)) {
          await();
        }
      }
    }

    private void await() {
      long start = System.nanoTime();
      int spins = 0;
      boolean more = true;
      while (!hasWork()) {
        more = more && idle.idle(index);
        Thread.onSpinWait();
        if (++spins % SPINS_PER_CLOCK_READ == 0 && System.nanoTime() - start > IDLE_SPIN_NANOS) {
          parked.set(true);
          while (parked.get() && !hasWork()) {
            LockSupport.park(WorkerPool.this);
          }
          parked.set(false);
          return;
        }
      }
    }

    private boolean hasWork() {
      return (index < active && (state.get() & LEFT_MASK) != 0) || closed;
    }
  }

  /// A counter on a cache line of its own: workers hammer it while the caller reads its neighbours.
  @SuppressWarnings("unused")
  private static final class PaddedLong extends AtomicLong {
    private static final long serialVersionUID = 1;
    private long p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15;
  }
}
