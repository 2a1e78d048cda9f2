package ai.realm.compute.cpu;

import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/// Makes panels out of tensors, on all threads. A mapped file's pages are given back to the system
/// once their weights are packed, so that the model is resident once.
///
/// A type without kernels becomes Q8_0 panels (within half a step of 1/127 of each 32 weights'
/// largest), or F32 ones when its rows are no multiple of 32.
final class NativePacking {
  private static final int PANEL = 16;
  private static final long CHUNK_BYTES = 1 << 20;

  private final NativeKernels kernels;
  private final OffHeap memory;
  private final WorkerPool pool;

  NativePacking(NativeKernels kernels, OffHeap memory, WorkerPool pool) {
    this.kernels = kernels;
    this.memory = memory;
    this.pool = pool;
  }

  /// The type of the panels for tensors of a type.
  GgmlType packedType(Tensor tensor) {
    if (kernels.products().byType().containsKey(tensor.type())) {
      return tensor.type();
    }
    return tensor.shape().cols() % 32 == 0 && tensor.type().isQuantized()
        ? GgmlType.Q8_0
        : GgmlType.F32;
  }

  /// Bytes of a matrix's panels.
  long bytes(PackedWeights weights) {
    return kernels.packedBytes(weights.packedType(), weights.cols(), weights.rows());
  }

  /// Packs a matrix whose panels are not made yet.
  void pack(PackedWeights weights) {
    int panels = Math.ceilDiv(weights.rows(), PANEL);
    long bytes = bytes(weights);
    Arena arena = Arena.ofShared();
    PackedWeights.Panels packed = PackedWeights.Panels.of(arena, memory.allocate(arena, bytes));
    long panelBytes = bytes / panels;
    int perChunk = (int) Math.max(1, CHUNK_BYTES / panelBytes);
    long to = packed.segment().address();
    boolean same = weights.packedType() == weights.type();
    MemorySegment data = weights.tensor().data();
    beginReading(data);
    pool.run(
        (chunk, worker) -> {
          int first = chunk * perChunk;
          int last = Math.min(panels, first + perChunk);
          if (same) {
            pack(weights, to, first, last);
          } else {
            convert(weights, to, panelBytes, first, last);
          }
        },
        Math.ceilDiv(panels, perChunk));
    weights.panels(packed);
    endReading(data);
  }

  /// Lets a tensor's mapped pages come in small.
  void beginReading(MemorySegment data) {
    if (data.isMapped()) {
      advise(kernels.memory().smallPages(), data);
    }
  }

  /// Gives a tensor's mapped pages back.
  void endReading(MemorySegment data) {
    if (data.isMapped()) {
      advise(kernels.memory().drop(), data);
    }
  }

  /// Asks for a mapped file in huge pages.
  void useHugePages(MemorySegment data) {
    advise(kernels.memory().hugePages(), data);
  }

  /// Packs panels [first, last) to the address of panel 0.
  void pack(PackedWeights weights, long to, int first, int last) {
    Tensor tensor = weights.tensor();
    try (Arena arena = Arena.ofConfined()) {
      // Copied on the heap's side of the fence first: a file that was truncated under the mapping
      // is
      // then an InternalError here and no SIGBUS in native code.
      long from = (long) first * PANEL;
      long count = Math.min(weights.rows(), (long) last * PANEL) - from;
      long rowBytes = tensor.rowBytes();
      MemorySegment rows = arena.allocate(count * rowBytes, CpuBuffer.ALIGNMENT);
      MemorySegment.copy(tensor.data(), from * rowBytes, rows, 0, count * rowBytes);
      MemorySegment zeros = arena.allocate(rowBytes, CpuBuffer.ALIGNMENT);
      packRows(
          weights.packedType(),
          rows,
          rowBytes,
          weights.cols(),
          count,
          zeros,
          to + first * kernels.packedBytes(weights.packedType(), weights.cols(), 1));
    }
  }

  /// Packs panel `panel` alone to address `to`, whatever its type.
  void packOne(PackedWeights weights, long to, int panel) {
    long bytes = kernels.packedBytes(weights.packedType(), weights.cols(), 1);
    long panelZero = to - panel * bytes;
    if (weights.packedType() == weights.type()) {
      pack(weights, panelZero, panel, panel + 1);
    } else {
      convert(weights, panelZero, bytes, panel, panel + 1);
    }
  }

  private void packRows(
      GgmlType type,
      MemorySegment rows,
      long rowBytes,
      long cols,
      long count,
      MemorySegment zeros,
      long to) {
    try {
      kernels
          .memory()
          .pack()
          .invokeExact(
              (long) type.id(),
              rows.address(),
              rowBytes,
              cols,
              count,
              zeros.address(),
              to,
              0L,
              (count + PANEL - 1) / PANEL);
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }

  private void convert(PackedWeights weights, long to, long panelBytes, int first, int last) {
    Tensor tensor = weights.tensor();
    int cols = weights.cols();
    BlockCodec codec = BlockCodec.of(tensor.type());
    float[] row = new float[cols];
    try (Arena arena = Arena.ofConfined()) {
      long rowBytes = (long) cols * Float.BYTES;
      MemorySegment rows = arena.allocate(PANEL * rowBytes, CpuBuffer.ALIGNMENT);
      MemorySegment zeros = arena.allocate(rowBytes, CpuBuffer.ALIGNMENT);
      for (int p = first; p < last; p++) {
        int count = Math.min(PANEL, weights.rows() - p * PANEL);
        rows.fill((byte) 0);
        for (int r = 0; r < count; r++) {
          codec.dequantize(tensor.data(), (p * (long) PANEL + r) * tensor.rowBytes(), row, 0, cols);
          MemorySegment.copy(row, 0, rows, ValueLayout.JAVA_FLOAT, r * rowBytes, cols);
        }
        long panel = to + p * panelBytes;
        if (weights.packedType() == GgmlType.F32) {
          packRows(GgmlType.F32, rows, rowBytes, cols, count, zeros, panel);
        } else {
          quantizePanel(rows, cols, panel);
        }
      }
    }
  }

  private void quantizePanel(MemorySegment rows, long cols, long panel) {
    try {
      kernels.products().panelOfFloats().invokeExact(rows.address(), cols, panel);
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }

  private static void advise(MethodHandle advice, MemorySegment data) {
    try {
      advice.invokeExact(data.address(), data.byteSize());
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }
}
