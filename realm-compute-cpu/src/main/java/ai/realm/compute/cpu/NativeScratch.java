package ai.realm.compute.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Memory outside the heap that grows when a larger step comes and is reused from then on.
final class NativeScratch implements AutoCloseable {
  private @Nullable Arena arena;
  private MemorySegment segment = MemorySegment.NULL;

  /// At least `bytes` bytes, 64-byte aligned, with undefined contents.
  MemorySegment atLeast(long bytes) {
    if (segment.byteSize() < bytes) {
      close();
      Arena fresh = Arena.ofShared();
      segment = fresh.allocate(bytes + bytes / 4, CpuBuffer.ALIGNMENT);
      arena = fresh;
    }
    return segment;
  }

  @Override
  public void close() {
    Arena old = arena;
    arena = null;
    segment = MemorySegment.NULL;
    if (old != null) {
      old.close();
    }
  }
}
