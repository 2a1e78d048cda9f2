package ai.realm.compute.cpu;

import ai.realm.compute.MachineLimits;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Measures the machine with the loops of limits.c on all threads, the best of some tries each: other
/// programs can only take away from it.
final class NativeLimits {
  private static final int TRIES = 12;
  private static final long MEMORY_BYTES = 512L << 20;
  private static final long ROUNDS = 200_000;
  private static final long SCRATCH_BYTES = 4096;

  private final NativeKernels.Limits kernels;
  private final WorkerPool pool;

  NativeLimits(NativeKernels.Limits kernels, WorkerPool pool) {
    this.kernels = kernels;
    this.pool = pool;
  }

  MachineLimits measure() {
    int threads = pool.threads();
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = arena.allocate(MEMORY_BYTES, CpuBuffer.ALIGNMENT);
      memory.fill((byte) 1);
      MemorySegment scratch = arena.allocate(threads * SCRATCH_BYTES, CpuBuffer.ALIGNMENT);
      // Some pieces each, so that a thread which is held back leaves the others to go on; long
      // ones, as
      // each start costs.
      int pieces = 4 * threads;
      long piece = MEMORY_BYTES / pieces & -256L;
      double read =
          best(
              (chunk, worker) ->
                  call(kernels.readMemory(), memory.address() + chunk * piece, piece),
              pieces);
      return new MachineLimits(
          piece * pieces / read,
          arithmetic(kernels.dotBytes(), scratch),
          arithmetic(kernels.multiplyAdd(), scratch));
    }
  }

  private double arithmetic(MethodHandle loop, MemorySegment scratch) {
    int pieces = 8 * pool.threads();
    long operations = call(loop, 1, scratch.address());
    double seconds =
        best(
            (chunk, worker) -> call(loop, ROUNDS, scratch.address() + worker * SCRATCH_BYTES),
            pieces);
    return (double) operations * ROUNDS * pieces / seconds;
  }

  private double best(WorkerPool.Task task, int chunks) {
    double best = Double.MAX_VALUE;
    for (int i = 0; i < TRIES; i++) {
      long start = System.nanoTime();
      pool.run(task, chunks);
      best = Math.min(best, (System.nanoTime() - start) / 1e9);
    }
    return best;
  }

  private static long call(MethodHandle function, long a, long b) {
    try {
      return (long) function.invokeExact(a, b);
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }
}
