package ai.realm.compute.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Where buffers, KV stores and copies of weights get their memory from.
interface OffHeap {
  /// Memory of the JVM: zeroed, and so resident, at once.
  OffHeap JVM = (arena, bytes) -> arena.allocate(bytes, CpuBuffer.ALIGNMENT);

  /// Zeroed memory, 64-byte aligned, that lives as long as the arena.
  MemorySegment allocate(Arena arena, long bytes);

  /// Tells the system that a part of a mapped file is not needed soon.
  default void letGo(MemorySegment mapped) {}
}
