package ai.realm.testing.gguf;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/// What an action took on this thread: the best of three runs.
///
/// @param cpuMillis milliseconds of CPU time, which other processes hardly disturb
/// @param heapBytes bytes of heap that it allocated, garbage included
record Footprint(long cpuMillis, long heapBytes) {
  static Footprint of(Runnable action) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long nanos = Long.MAX_VALUE;
    long bytes = Long.MAX_VALUE;
    for (int run = 0; run < 3; run++) {
      long allocated = threads.getCurrentThreadAllocatedBytes();
      long start = threads.getCurrentThreadCpuTime();
      action.run();
      nanos = Math.min(nanos, threads.getCurrentThreadCpuTime() - start);
      bytes = Math.min(bytes, threads.getCurrentThreadAllocatedBytes() - allocated);
    }
    return new Footprint(nanos / 1_000_000, bytes);
  }
}
