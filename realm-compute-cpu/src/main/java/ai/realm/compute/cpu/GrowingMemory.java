package ai.realm.compute.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Off-heap scratch memory that grows to what was asked for and stays. Contents are lost when it grows.
final class GrowingMemory implements AutoCloseable {
  private MemorySegment memory = MemorySegment.NULL;
  private @Nullable Arena arena;

  /// Memory of at least `bytes` bytes, the same as before where that is enough.
  MemorySegment reserve(long bytes) {
    if (memory.byteSize() < bytes) {
      close();
      Arena owner = Arena.ofShared();
      arena = owner;
      memory = owner.allocate(bytes, CpuBuffer.ALIGNMENT);
    }
    return memory;
  }

  /// What was last reserved.
  MemorySegment memory() {
    return memory;
  }

  @Override
  public void close() {
    memory = MemorySegment.NULL;
    if (arena != null) {
      arena.close();
      arena = null;
    }
  }
}
