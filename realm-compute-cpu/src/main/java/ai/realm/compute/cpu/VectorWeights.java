package ai.realm.compute.cpu;

import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A weight matrix in the blocks of its file, with the kernel of its type: as it lies in the mapped file,
/// or copied once to memory that is read faster, see [#copy].
final class VectorWeights implements WeightMatrix {
  /// Bytes that one thread copies at a time.
  private static final long COPY_CHUNK = 4L << 20;

  private final VectorKernel kernel;
  private final int rows;
  private final int cols;
  private final long rowBytes;
  private Tensor tensor;
  private @Nullable Arena own;

  /// @param tensor rows of `cols()` weights, quantized blocks along rows
  VectorWeights(Tensor tensor) {
    if (!tensor.data().isAccessibleBy(new Thread())) {
      throw new IllegalArgumentException(
          "tensor %s: expected memory that all compute threads can read, found one thread's"
              .formatted(tensor.name()));
    }
    CpuWeights shape = new CpuWeights(tensor);
    this.tensor = tensor;
    kernel = VectorKernel.of(tensor.type());
    rows = shape.rows();
    cols = shape.cols();
    rowBytes = tensor.rowBytes();
  }

  /// Copies weights of a mapped file, on all threads, to memory in huge pages, and lets the file's pages
  /// go. What else the file does (being truncated, for one) is then of no concern to the kernels.
  void copy(OffHeap memory, WorkerPool pool) {
    MemorySegment from = tensor.data();
    long bytes = from.byteSize();
    Arena arena = Arena.ofShared();
    try {
      MemorySegment to = memory.allocate(arena, bytes);
      pool.run(
          (chunk, worker) -> {
            long at = chunk * COPY_CHUNK;
            MemorySegment.copy(from, at, to, at, Math.min(COPY_CHUNK, bytes - at));
          },
          Math.toIntExact(Math.ceilDiv(bytes, COPY_CHUNK)));
      tensor = new Tensor(tensor.name(), tensor.type(), tensor.shape(), to);
      own = arena;
    } finally {
      if (own == null) {
        arena.close();
      }
    }
    memory.letGo(from);
  }

  /// Whether the weights lie in a mapped file.
  boolean isMapped() {
    return tensor.data().isMapped();
  }

  Tensor tensor() {
    return tensor;
  }

  /// Where the first row begins.
  long address() {
    return tensor.data().address();
  }

  /// What reads its type.
  VectorKernel kernel() {
    return kernel;
  }

  /// Bytes from one row to the next.
  long rowBytes() {
    return rowBytes;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int cols() {
    return cols;
  }

  @Override
  public String name() {
    return tensor.name();
  }

  @Override
  public GgmlType type() {
    return tensor.type();
  }

  @Override
  public void close() {
    Arena arena = own;
    if (arena != null) {
      own = null;
      arena.close();
    }
  }
}
