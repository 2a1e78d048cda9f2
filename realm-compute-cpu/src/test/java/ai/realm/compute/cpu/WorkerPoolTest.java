package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WorkerPoolTest {
  @Test
  void runsEveryChunkOnceWhateverTheNumberOfThreads() {
    for (int threads : new int[] {1, 2, 3, 8}) {
      try (WorkerPool pool = new WorkerPool(threads)) {
        for (int chunks : new int[] {0, 1, 2, 7, 64, 1000}) {
          AtomicIntegerArray runs = new AtomicIntegerArray(Math.max(1, chunks));
          pool.run((chunk, worker) -> runs.incrementAndGet(chunk), chunks);
          for (int i = 0; i < chunks; i++) {
            assertThat(runs.get(i)).as("%d threads, chunk %d", threads, i).isEqualTo(1);
          }
        }
      }
    }
  }

  @Test
  void manyShortTasksInARowLoseAndRepeatNothing() {
    try (WorkerPool pool = new WorkerPool(4)) {
      int[] sums = new int[16];
      for (int round = 0; round < 20_000; round++) {
        pool.run((chunk, worker) -> sums[chunk]++, 16);
        if (round % 4000 == 0) {
          LockSupport.parkNanos(1_000_000); // lets the workers park
        }
      }
      assertThat(sums).containsOnly(20_000);
    }
  }

  @Test
  void aWorkerNumberIsHeldByOneThreadAtATime() {
    try (WorkerPool pool = new WorkerPool(4)) {
      AtomicIntegerArray inside = new AtomicIntegerArray(4);
      AtomicInteger clashes = new AtomicInteger();
      for (int round = 0; round < 2000; round++) {
        pool.run(
            (chunk, worker) -> {
              if (inside.incrementAndGet(worker) != 1) {
                clashes.incrementAndGet();
              }
              inside.decrementAndGet(worker);
            },
            32);
      }
      assertThat(clashes).hasValue(0);
    }
  }

  @Test
  void aThreadThatIsKeptFreeTakesNoChunksUntilItMayAgain() {
    try (WorkerPool pool = new WorkerPool(4)) {
      AtomicIntegerArray runs = new AtomicIntegerArray(4);
      WorkerPool.Task counting = counting(runs);
      pool.keepFree(0.25);
      for (int round = 0; round < 200; round++) {
        pool.run(counting, 16);
      }
      assertThat(runs.get(3)).isZero();
      assertThat(runs.get(0) + runs.get(1) + runs.get(2)).isEqualTo(200 * 16);
      assertThat(runs.get(1)).isPositive();
      pool.keepFree(0);
      while (runs.get(3) == 0) {
        pool.run(counting, 16);
      }
    }
  }

  @Test
  void ofFewThreadsNoneRestsUnlessItsPartMay() {
    try (WorkerPool pool = new WorkerPool(2)) {
      AtomicIntegerArray runs = new AtomicIntegerArray(2);
      pool.keepFree(0.25);
      while (runs.get(1) == 0) {
        pool.run(counting(runs), 16);
      }
      pool.keepFree(0.5);
      AtomicIntegerArray alone = new AtomicIntegerArray(2);
      pool.run(counting(alone), 16);
      assertThat(alone.get(0)).as("the caller works on").isEqualTo(16);
    }
    try (WorkerPool pool = new WorkerPool(1)) {
      AtomicIntegerArray runs = new AtomicIntegerArray(1);
      pool.keepFree(1);
      pool.run(counting(runs), 16);
      assertThat(runs.get(0)).isEqualTo(16);
    }
  }

  private static WorkerPool.Task counting(AtomicIntegerArray runs) {
    return (chunk, worker) -> {
      runs.incrementAndGet(worker);
      LockSupport.parkNanos(10_000);
    };
  }

  @Test
  void anExceptionInAChunkReachesTheCallerAndThePoolGoesOn() {
    try (WorkerPool pool = new WorkerPool(3)) {
      for (int bad = 0; bad < 20; bad++) {
        int failing = bad;
        assertThatThrownBy(() ->
                pool.run(
                    (chunk, worker) -> {
                      if (chunk == failing) {
                        throw new IndexOutOfBoundsException("chunk " + chunk);
                      }
                    },
                    20))
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessage("chunk " + bad);
        AtomicInteger runs = new AtomicInteger();
        pool.run((chunk, worker) -> runs.incrementAndGet(), 20);
        assertThat(runs).hasValue(20);
      }
    }
  }

  @Test
  void callersOnDifferentThreadsTakeTurns() throws InterruptedException {
    try (WorkerPool pool = new WorkerPool(3)) {
      AtomicInteger runs = new AtomicInteger();
      Thread[] callers = new Thread[4];
      for (int i = 0; i < callers.length; i++) {
        callers[i] =
            new Thread(() -> {
              for (int round = 0; round < 500; round++) {
                pool.run((chunk, worker) -> runs.incrementAndGet(), 8);
              }
            });
        callers[i].start();
      }
      for (Thread caller : callers) {
        caller.join();
      }
      assertThat(runs).hasValue(4 * 500 * 8);
    }
  }

  @Test
  void aTaskThatRunsAnotherIsRefusedInsteadOfDeadlocking() {
    try (WorkerPool pool = new WorkerPool(2)) {
      assertThatThrownBy(() -> pool.run((chunk, worker) -> pool.run((c, w) -> {}, 2), 8))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("must not run another");
    }
  }

  @Test
  void closeEndsTheThreadsAndLaterRunsAreRefused() {
    AtomicReference<Thread> seen = new AtomicReference<>();
    WorkerPool pool = new WorkerPool(2);
    while (seen.get() == null) {
      pool.run(
          (chunk, worker) -> {
            if (worker == 1) {
              seen.set(Thread.currentThread());
            }
          },
          64);
    }
    assertThat(seen.get().isDaemon()).isTrue();
    pool.close();
    assertThat(seen.get().isAlive()).isFalse();
    assertThatThrownBy(() -> pool.run((chunk, worker) -> {}, 2))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
    pool.close();
  }

  @Test
  void idleWorkersUseNoCpu() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long[] ids = new long[4];
    try (WorkerPool pool = new WorkerPool(4)) {
      for (int round = 0; round < 200; round++) {
        pool.run(
            (chunk, worker) -> {
              ids[worker] = Thread.currentThread().threadId();
              LockSupport.parkNanos(10_000);
            },
            64);
      }
      LockSupport.parkNanos(100_000_000);
      long before = cpuNanos(threads, ids);
      LockSupport.parkNanos(500_000_000);
      assertThat(cpuNanos(threads, ids) - before).isLessThan(5_000_000);
    }
  }

  @Test
  void threadsThatWaitAreGivenSomethingToDoUntilThereIsNoMore() {
    try (WorkerPool pool = new WorkerPool(3)) {
      AtomicIntegerArray calls = new AtomicIntegerArray(3);
      AtomicInteger afterTheLast = new AtomicInteger();
      pool.whileIdle(worker -> {
        int call = calls.incrementAndGet(worker);
        // The caller waits once. Others may have waited before the task, and are asked again at
        // each wait.
        if (worker == 0 && call > 5) {
          afterTheLast.incrementAndGet();
        }
        return call < 5;
      });
      AtomicInteger inside = new AtomicInteger();
      // Worker 0 waits for the others' chunks, which wait until it was seen waiting.
      pool.run(
          (chunk, worker) -> {
            inside.incrementAndGet();
            while (worker != 0 && calls.get(0) < 5) {
              Thread.onSpinWait();
            }
            while (worker == 0 && inside.get() < 3) {
              Thread.onSpinWait();
            }
          },
          3);
      assertThat(calls.get(0)).isEqualTo(5);
      assertThat(afterTheLast).hasValue(0);
    }
  }

  @Test
  void inTheFirstRoundAWorkerTakesTheChunkOfItsNumber() {
    try (WorkerPool pool = new WorkerPool(3)) {
      int[] takenBy = new int[3];
      AtomicInteger inside = new AtomicInteger();
      // Nobody leaves before all have taken one, so each thread takes exactly one.
      pool.run(
          (chunk, worker) -> {
            takenBy[chunk] = worker;
            inside.incrementAndGet();
            while (inside.get() < 3) {
              Thread.onSpinWait();
            }
          },
          3);
      assertThat(takenBy).containsExactly(0, 1, 2);
    }
  }

  @Test
  void aTaskAllocatesNothing() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (WorkerPool pool = new WorkerPool(3)) {
      int[] sums = new int[12];
      WorkerPool.Task task = (chunk, worker) -> sums[chunk]++;
      for (int i = 0; i < 2000; i++) {
        pool.run(task, 12);
      }
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < 2000; i++) {
        pool.run(task, 12);
      }
      assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(2000);
    }
  }

  private static long cpuNanos(ThreadMXBean threads, long[] ids) {
    long sum = 0;
    for (int i = 1; i < ids.length; i++) {
      sum += ids[i] == 0 ? 0 : threads.getThreadCpuTime(ids[i]);
    }
    return sum;
  }
}
