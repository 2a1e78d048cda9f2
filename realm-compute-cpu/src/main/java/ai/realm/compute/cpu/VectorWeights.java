package ai.realm.compute.cpu;

import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A weight matrix with the kernel of its type: as it lies in the mapped file, or brought once into memory
/// that is read faster, see [#bring]: rearranged where its type is ([Interleaved]), else as it is.
final class VectorWeights implements WeightMatrix {
  /// Bytes that one thread copies at a time.
  private static final long COPY_CHUNK = 4L << 20;

  private final VectorKernel kernel;
  private final int rows;
  private final int cols;
  private final long rowBytes;
  private Tensor tensor;
  private @Nullable Arena own;
  private @Nullable Interleaved interleaved;
  private long panels;

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

  /// Brings the weights, on all threads, into memory in huge pages, and lets a mapped file's pages go. What
  /// else the file does (being truncated, for one) is then of no concern to the kernels. Rows of rearranged
  /// weights are still looked up in the tensor.
  void bring(OffHeap memory, WorkerPool pool) {
    bring(memory, pool, VectorKernel.READS_ROWS ? kernel.interleaved() : null);
  }

  /// The same as they are, in the file's order.
  void copy(OffHeap memory, WorkerPool pool) {
    bring(memory, pool, null);
  }

  private void bring(OffHeap memory, WorkerPool pool, @Nullable Interleaved kind) {
    MemorySegment from = tensor.data();
    Arena arena = Arena.ofShared();
    try {
      if (kind == null) {
        copy(memory, pool, arena);
      } else {
        interleave(kind, memory, pool, arena);
      }
      own = arena;
    } finally {
      if (own == null) {
        arena.close();
      }
    }
    if (from.isMapped()) {
      memory.letGo(from);
    }
  }

  private void interleave(Interleaved kind, OffHeap memory, WorkerPool pool, Arena arena) {
    MemorySegment from = tensor.data();
    long panelBytes = kind.panelBytes(cols);
    int count = Math.ceilDiv(rows, Lanes.COUNT);
    long to = memory.allocate(arena, panelBytes * count).address();
    long fromPanel = rowBytes * Lanes.COUNT;
    pool.run(
        (panel, worker) -> {
          int lanes = Math.min(Lanes.COUNT, rows - panel * Lanes.COUNT);
          MemorySegment part = from.asSlice(panel * fromPanel, lanes * rowBytes);
          kind.pack(part, rowBytes, lanes, cols, to + panel * panelBytes);
        },
        count);
    panels = to;
    interleaved = kind;
  }

  private void copy(OffHeap memory, WorkerPool pool, Arena arena) {
    MemorySegment from = tensor.data();
    long bytes = from.byteSize();
    MemorySegment to = memory.allocate(arena, bytes);
    pool.run(
        (chunk, worker) -> {
          long at = chunk * COPY_CHUNK;
          MemorySegment.copy(from, at, to, at, Math.min(COPY_CHUNK, bytes - at));
        },
        Math.toIntExact(Math.ceilDiv(bytes, COPY_CHUNK)));
    tensor = new Tensor(tensor.name(), tensor.type(), tensor.shape(), to);
  }

  /// Whether products read memory of our own.
  boolean isBrought() {
    return own != null;
  }

  /// Whether the tensor lies in a mapped file.
  boolean isMapped() {
    return tensor.data().isMapped();
  }

  /// How the weights were rearranged; null where they were not.
  @Nullable Interleaved interleaved() {
    return interleaved;
  }

  /// Where a panel of rearranged weights begins.
  ///
  /// @param panel number of the panel; the last for those beyond it
  long panel(Interleaved kind, int panel) {
    return panels + Math.min(panel, (rows - 1) / Lanes.COUNT) * kind.panelBytes(cols);
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
