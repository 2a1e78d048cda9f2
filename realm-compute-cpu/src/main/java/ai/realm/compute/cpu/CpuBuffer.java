package ai.realm.compute.cpu;

import ai.realm.compute.Buffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Float32 activations outside the heap, 64-byte aligned, native byte order. All CPU backends share
/// it, so that Vector API loads and native kernels read the same memory.
final class CpuBuffer implements Buffer {
  /// Cache line and widest vector register.
  static final long ALIGNMENT = 64;

  /// Floats, unaligned because views may begin anywhere.
  static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private final MemorySegment segment;
  private final long size;
  private final @Nullable Arena owner;

  private CpuBuffer(MemorySegment segment, long size, @Nullable Arena owner) {
    this.segment = segment;
    this.size = size;
    this.owner = owner;
  }

  /// A zeroed buffer of `size` floats with memory of its own.
  static CpuBuffer allocate(long size, OffHeap from) {
    if (size < 1) {
      throw new IllegalArgumentException("expected a buffer of at least 1 float, found " + size);
    }
    Arena arena = Arena.ofShared();
    MemorySegment memory = from.allocate(arena, Math.multiplyExact(size, Float.BYTES));
    return new CpuBuffer(memory, size, arena);
  }

  /// The floats, `size() * 4` bytes.
  MemorySegment segment() {
    return segment;
  }

  /// Address of the first float, for native kernels.
  ///
  /// @throws IllegalStateException when the buffer was closed
  long address() {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("buffer of %d floats: used after close".formatted(size));
    }
    return segment.address();
  }

  @Override
  public long size() {
    return size;
  }

  /// Element `i`.
  float get(long i) {
    return segment.get(FLOAT, i * Float.BYTES);
  }

  /// Sets element `i`.
  void set(long i, float value) {
    segment.set(FLOAT, i * Float.BYTES, value);
  }

  @Override
  public CpuBuffer view(long offset, long viewSize) {
    Objects.checkFromIndexSize(offset, viewSize, size);
    return new CpuBuffer(
        segment.asSlice(offset * Float.BYTES, viewSize * Float.BYTES), viewSize, null);
  }

  @Override
  public void close() {
    if (owner != null && owner.scope().isAlive()) {
      owner.close();
    }
  }
}
