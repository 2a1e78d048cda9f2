package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/// What the CPU backends share: memory, KV storage, the movement of rows, and the checks of buffers.
/// Subclasses compute; they override the row movements too where it pays.
abstract class CpuBackend implements Backend {
  private final OffHeap memory;

  /// Over the JVM's own memory.
  CpuBackend() {
    this(OffHeap.JVM);
  }

  CpuBackend(OffHeap memory) {
    this.memory = memory;
  }

  // ---- memory -----------------------------------------------------------------------------------

  /// Where buffers and KV stores come from.
  final OffHeap memory() {
    return memory;
  }

  @Override
  public final CpuBuffer allocate(long size) {
    return CpuBuffer.allocate(size, memory);
  }

  @Override
  public final CpuBuffer floats(Tensor tensor) {
    int count = Math.toIntExact(tensor.shape().elements());
    float[] values = new float[count];
    BlockCodec.of(tensor.type()).dequantize(tensor.data(), 0, values, 0, count);
    CpuBuffer buffer = allocate(count);
    write(buffer, 0, values, 0, count);
    return buffer;
  }

  @Override
  public WeightMatrix weights(Tensor tensor) {
    return new CpuWeights(tensor);
  }

  @Override
  public final CpuKvStore kvStore(KvLayout layout, int blocks) {
    return new CpuKvStore(layout, blocks, memory);
  }

  @Override
  public final void write(Buffer to, long offset, float[] from, int fromOffset, int count) {
    Objects.checkFromIndexSize(offset, count, to.size());
    Objects.checkFromIndexSize(fromOffset, count, from.length);
    MemorySegment.copy(from, fromOffset, segment(to), CpuBuffer.FLOAT, offset * Float.BYTES, count);
  }

  @Override
  public final void read(Buffer from, long offset, float[] to, int toOffset, int count) {
    Objects.checkFromIndexSize(offset, count, from.size());
    Objects.checkFromIndexSize(toOffset, count, to.length);
    MemorySegment.copy(segment(from), CpuBuffer.FLOAT, offset * Float.BYTES, to, toOffset, count);
  }

  // ---- checks -----------------------------------------------------------------------------------

  /// The memory of a buffer of this backend.
  static MemorySegment segment(Buffer buffer) {
    return cpu(buffer).segment();
  }

  /// A buffer of this backend that holds at least `rows · cols` floats.
  ///
  /// @param what the operand's name in the message
  static CpuBuffer matrix(String what, Buffer buffer, long rows, long cols) {
    if (rows < 1 || cols < 1) {
      throw new IllegalArgumentException(
          "%s: expected at least 1 row and column, found (%d, %d)".formatted(what, rows, cols));
    }
    CpuBuffer memory = cpu(buffer);
    if (memory.size() < Math.multiplyExact(rows, cols)) {
      throw new IndexOutOfBoundsException(
          "%s: expected at least (%d, %d) floats, found %d"
              .formatted(what, rows, cols, memory.size()));
    }
    return memory;
  }

  private static CpuBuffer cpu(Buffer buffer) {
    if (buffer instanceof CpuBuffer memory) {
      return memory;
    }
    throw new IllegalArgumentException(
        "expected a buffer of a CPU backend, found " + buffer.getClass().getName());
  }

  /// A KV store of this backend that has layer `layer` and whose blocks cover every row of the batch.
  static CpuKvStore kvStore(KvStore kv, int layer, Batch batch) {
    if (!(kv instanceof CpuKvStore store)) {
      throw new IllegalArgumentException(
          "expected a KV store of a CPU backend, found " + kv.getClass().getName());
    }
    KvLayout layout = store.layout();
    Objects.checkIndex(layer, layout.layers());
    for (int s = 0; s < batch.sequences(); s++) {
      int positions = batch.firstPosition(s) + batch.rows(s);
      int[] blocks = batch.blockTable(s);
      int needed = Math.ceilDiv(positions, layout.blockSize());
      if (blocks.length < needed) {
        throw new IndexOutOfBoundsException(
            "sequence %d of the batch: expected %d blocks for %d positions, found %d"
                .formatted(s, needed, positions, blocks.length));
      }
      for (int b = 0; b < needed; b++) {
        Objects.checkIndex(blocks[b], store.blocks());
      }
    }
    return store;
  }

  /// Checks the shapes of `out (n, rows) = x (n, cols) · w (rows, cols)ᵀ`.
  static void checkMatmul(Buffer out, WeightMatrix w, Buffer x, int n) {
    matrix("x", x, n, w.cols());
    if (cpu(out).size()
        < (long) n * w.rows()) { // The token loop allocates nothing: no message yet.
      matrix("product with " + w.name(), out, n, w.rows());
    }
  }

  // ---- rows -------------------------------------------------------------------------------------

  @Override
  public void gatherRows(Buffer out, Buffer x, int[] rows, int n, int dim) {
    MemorySegment to = matrix("out", out, n, dim).segment();
    CpuBuffer from = matrix("x", x, 1, dim);
    long available = from.size() / dim;
    long bytes = (long) dim * Float.BYTES;
    for (int i = 0; i < n; i++) {
      long row = Objects.checkIndex((long) rows[i], available);
      MemorySegment.copy(from.segment(), row * bytes, to, i * bytes, bytes);
    }
  }

  @Override
  public void scatterAddRows(Buffer out, Buffer x, int[] rows, float[] factors, int n, int dim) {
    CpuBuffer to = matrix("out", out, 1, dim);
    CpuBuffer from = matrix("x", x, n, dim);
    long available = to.size() / dim;
    for (int i = 0; i < n; i++) {
      long row = Objects.checkIndex((long) rows[i], available);
      for (int j = 0; j < dim; j++) {
        long o = row * dim + j;
        to.set(o, to.get(o) + factors[i] * from.get((long) i * dim + j));
      }
    }
  }

  @Override
  public void copyColumns(
      Buffer out, int outCols, int outCol, Buffer x, int xCols, int xCol, int count, int n) {
    Objects.checkFromIndexSize(outCol, count, outCols);
    Objects.checkFromIndexSize(xCol, count, xCols);
    MemorySegment to = matrix("out", out, n, outCols).segment();
    MemorySegment from = matrix("x", x, n, xCols).segment();
    long bytes = (long) count * Float.BYTES;
    for (long i = 0; i < n; i++) {
      MemorySegment.copy(
          from, (i * xCols + xCol) * Float.BYTES, to, (i * outCols + outCol) * Float.BYTES, bytes);
    }
  }

  // ---- positions --------------------------------------------------------------------------------

  @Override
  public void ropeTable(Buffer table, Batch batch, float[] frequencies, float magnitude) {
    int pairs = frequencies.length;
    CpuBuffer to = matrix("table", table, batch.rows(), 2L * pairs);
    int[] positions = batch.positions();
    for (int i = 0; i < batch.rows(); i++) {
      for (int j = 0; j < pairs; j++) {
        // Double: a float product loses the phase of late positions.
        double angle = (double) positions[i] * frequencies[j];
        long o = 2 * ((long) i * pairs + j);
        to.set(o, (float) (Math.cos(angle) * magnitude));
        to.set(o + 1, (float) (Math.sin(angle) * magnitude));
      }
    }
  }

  // ---- attention --------------------------------------------------------------------------------

  @Override
  public void storeKv(KvStore kv, int layer, Batch batch, Buffer k, Buffer v) {
    CpuKvStore store = kvStore(kv, layer, batch);
    KvLayout layout = store.layout();
    int heads = layout.kvHeads();
    int keyLength = layout.keyLength();
    int valueLength = layout.valueLength();
    MemorySegment keys = matrix("k", k, batch.rows(), (long) heads * keyLength).segment();
    MemorySegment values = matrix("v", v, batch.rows(), (long) heads * valueLength).segment();
    for (int s = 0; s < batch.sequences(); s++) {
      int[] blocks = batch.blockTable(s);
      for (int i = 0; i < batch.rows(s); i++) {
        int position = batch.firstPosition(s) + i;
        int block = blocks[position / layout.blockSize()];
        int slot = position % layout.blockSize();
        long row = batch.firstRow(s) + (long) i;
        for (int h = 0; h < heads; h++) {
          store.storeRow(
              store.keyOffset(block, layer, h, slot),
              keys,
              (row * heads + h) * keyLength,
              keyLength);
          store.storeRow(
              store.valueOffset(block, layer, h, slot),
              values,
              (row * heads + h) * valueLength,
              valueLength);
        }
      }
    }
  }
}
