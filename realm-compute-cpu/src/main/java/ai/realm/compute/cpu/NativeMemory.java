package ai.realm.compute.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Memory straight from the system where there is much of it: in huge pages where the system has them,
/// so that a decoding kernel misses no translations, and resident only once it is written.
final class NativeMemory implements OffHeap {
  private static final long MAPPED_FROM = 1 << 21;

  private final NativeKernels.Memory kernels;

  NativeMemory(NativeKernels.Memory kernels) {
    this.kernels = kernels;
  }

  @Override
  public MemorySegment allocate(Arena arena, long bytes) {
    long address = bytes < MAPPED_FROM ? 0 : map(bytes);
    return address == 0
        ? JVM.allocate(arena, bytes)
        : MemorySegment.ofAddress(address)
            .reinterpret(bytes, arena, memory -> unmap(memory.address(), bytes));
  }

  private long map(long bytes) {
    try {
      return (long) kernels.map().invokeExact(bytes);
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }

  private void unmap(long address, long bytes) {
    try {
      kernels.unmap().invokeExact(address, bytes);
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }
}
