package ai.realm.compute.cpu;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Computes with the Vector API on all cores. On Linux weights are brought into memory of our own, in huge pages
/// and rearranged where that pays; elsewhere they stay in the mapped file. Activations stay
/// float32. What runs without our
/// native library.
final class VectorBackend extends CpuBackend {
  /// A table of this name is looked up in: copied when it is first multiplied with (tied embeddings).
  private static final String LOOKED_UP = "token_embd.weight";

  private static final long REARRANGED_FROM = 1 << 21;

  /// Floats below which row operations stay on the caller's thread.
  private static final long ALONE_BELOW = 1 << 15;

  private final WorkerPool pool;
  private final boolean bringAll;
  private final boolean batchInvariant;
  private final Arena arena = Arena.ofShared();
  private final Scratch[] scratch;
  private final VectorMatmul products;
  private final VectorAttention attention;
  private final VectorElements elements;
  private final VectorRows rows;
  private float[] row = new float[0];

  VectorBackend(BackendOptions options) {
    this(options, true, false);
  }

  /// @param plainWhenSmall whether small work runs in plain loops; tests of the vector kernels say no
  /// @param bringAll whether weights are brought into memory of our own whatever their size and wherever
  ///     they lie; tests of those kernels say yes
  VectorBackend(BackendOptions options, boolean plainWhenSmall, boolean bringAll) {
    super(SystemMemory.orJvm());
    this.bringAll = bringAll;
    batchInvariant = options.batchInvariant();
    int threads = options.threads() == 0 ? CpuShare.threads() : options.threads();
    pool = new WorkerPool(threads);
    scratch = new Scratch[threads];
    for (int i = 0; i < threads; i++) {
      scratch[i] = new Scratch(arena);
    }
    // Whether work is small depends on the number of rows.
    boolean plain = plainWhenSmall && !batchInvariant;
    products = new VectorMatmul(pool, scratch, plain, batchInvariant);
    attention = new VectorAttention(pool, scratch, plain, !batchInvariant);
    elements = new VectorElements(pool, arena, plain);
    rows = new VectorRows(pool, ALONE_BELOW);
  }

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public String description() {
    String narrow =
        VectorKernel.READS_ROWS
            ? ""
            : "; SLOW: vectors of fewer than 256 bits, decode goes through unpacked panels";
    String invariant = batchInvariant ? "; SLOW decode: batch-invariant" : "";
    return "vector: Vector API, %d-bit vectors, %d threads%s%s; fast: %s; fast prefill, slower decode: %s; slow, dequantized row by row: %s"
        .formatted(
            Lanes.BYTES * Byte.SIZE,
            pool.threads(),
            narrow,
            invariant,
            types(kernel -> kernel.isFast() && kernel.readsRows()),
            types(kernel -> kernel.isFast() && !kernel.readsRows()),
            types(kernel -> !kernel.isFast()));
  }

  @Override
  public boolean isBatchInvariant() {
    return batchInvariant;
  }

  @Override
  public Optional<String> remark(GgmlType type) {
    return VectorKernel.of(type).isFast()
        ? Optional.empty()
        : Optional.of(type + " is slow here: its rows are dequantized one by one");
  }

  /// Weight types with such a kernel.
  private static String types(Predicate<VectorKernel> condition) {
    StringJoiner names = new StringJoiner(", ");
    names.setEmptyValue("none");
    for (GgmlType type : GgmlType.values()) {
      switch (type) {
        case I8, I16, I32, I64, F64 -> {} // Never weights of a product.
        default -> {
          if (condition.test(VectorKernel.of(type))) {
            names.add(type.name());
          }
        }
      }
    }
    return names.toString();
  }

  @Override
  public void keepFree(double part) {
    pool.keepFree(part);
  }

  @Override
  public void close() {
    pool.close();
    attention.close();
    for (Scratch memory : scratch) {
      memory.close();
    }
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }

  @Override
  public WeightMatrix weights(Tensor tensor) {
    VectorWeights weights = new VectorWeights(tensor);
    if (!tensor.name().equals(LOOKED_UP)) {
      bring(weights);
    }
    return weights;
  }

  /// Vector loads must not read a mapped file, which somebody may shorten: that ends the process. So small
  /// matrices are brought as well, as they are: rearranged or in huge pages they would be no faster, being in
  /// the cache of the processor anyway.
  private void bring(VectorWeights weights) {
    if (weights.isBrought()) {
      return;
    }
    boolean apart = weights.isMapped() && memory() != OffHeap.JVM;
    boolean large = weights.rows() * weights.rowBytes() >= REARRANGED_FROM;
    if (bringAll || (apart && large)) {
      weights.bring(memory(), pool);
    } else if (apart) {
      weights.copy(memory(), pool);
    }
  }

  private VectorWeights multiplied(WeightMatrix w) {
    VectorWeights weights = mapped(w);
    bring(weights);
    return weights;
  }

  private static VectorWeights mapped(WeightMatrix w) {
    if (w instanceof VectorWeights weights) {
      return weights;
    }
    throw new IllegalArgumentException(
        "expected weights of the vector backend, found " + w.getClass().getName());
  }

  // ---- rows -------------------------------------------------------------------------------------

  @Override
  public void embed(Buffer out, WeightMatrix table, int[] ids, int n) {
    VectorWeights weights = mapped(table);
    int dim = weights.cols();
    matrix("out", out, n, dim);
    BlockCodec codec = BlockCodec.of(weights.type());
    if (row.length < dim) {
      row = new float[dim];
    }
    for (int i = 0; i < n; i++) {
      long id = Objects.checkIndex(ids[i], weights.rows());
      codec.dequantize(weights.tensor().data(), id * weights.rowBytes(), row, 0, dim);
      write(out, (long) i * dim, row, 0, dim);
    }
  }

  // ---- norms ------------------------------------------------------------------------------------

  @Override
  public void rmsNorm(Buffer out, Buffer x, int n, int dim, @Nullable Buffer weight, float eps) {
    MemorySegment to = matrix("out", out, n, dim).segment();
    MemorySegment from = matrix("x", x, n, dim).segment();
    MemorySegment w = weight == null ? null : matrix("weight", weight, 1, dim).segment();
    rows.rmsNorm(to, from, n, dim, w, eps);
  }

  @Override
  public void layerNorm(
      Buffer out,
      Buffer x,
      int n,
      int dim,
      @Nullable Buffer weight,
      @Nullable Buffer bias,
      float eps) {
    MemorySegment to = matrix("out", out, n, dim).segment();
    MemorySegment from = matrix("x", x, n, dim).segment();
    MemorySegment w = weight == null ? null : matrix("weight", weight, 1, dim).segment();
    MemorySegment b = bias == null ? null : matrix("bias", bias, 1, dim).segment();
    rows.layerNorm(to, from, n, dim, w, b, eps);
  }

  // ---- matrix products --------------------------------------------------------------------------

  @Override
  public void matmul(Buffer[] outs, WeightMatrix[] ws, Buffer x, int n) {
    if (outs.length != ws.length) {
      throw new IllegalArgumentException(
          "expected as many results as matrices, found %d and %d"
              .formatted(outs.length, ws.length));
    }
    if (ws.length == 0) {
      return;
    }
    int cols = ws[0].cols();
    for (int m = 0; m < ws.length; m++) {
      checkMatmul(outs[m], ws[m], x, n);
      if (ws[m].cols() != cols) {
        throw new IllegalArgumentException(
            "matrices over one input: expected %d columns as %s has, found %d in %s"
                .formatted(cols, ws[0].name(), ws[m].cols(), ws[m].name()));
      }
    }
    products.begin(segment(x), n, cols);
    for (int m = 0; m < ws.length; m++) {
      products.add(multiplied(ws[m]), segment(outs[m]));
    }
    products.run();
  }

  @Override
  public void matmul(Buffer out, WeightMatrix w, Buffer x, int n) {
    checkMatmul(out, w, x, n);
    products.begin(segment(x), n, w.cols());
    products.add(multiplied(w), segment(out));
    products.run();
  }

  // ---- elements ---------------------------------------------------------------------------------

  @Override
  public void add(Buffer x, Buffer y, long count) {
    MemorySegment to = matrix("x", x, 1, count).segment();
    rows.add(to, matrix("y", y, 1, count).segment(), 1, count);
  }

  @Override
  public void multiply(Buffer x, Buffer y, long count) {
    MemorySegment to = matrix("x", x, 1, count).segment();
    rows.multiply(to, matrix("y", y, 1, count).segment(), 1, count);
  }

  @Override
  public void addRow(Buffer x, Buffer row, int n, int dim) {
    MemorySegment to = matrix("x", x, n, dim).segment();
    rows.add(to, matrix("row", row, 1, dim).segment(), n, dim);
  }

  @Override
  public void multiplyRow(Buffer x, Buffer row, int n, int dim) {
    MemorySegment to = matrix("x", x, n, dim).segment();
    rows.multiply(to, matrix("row", row, 1, dim).segment(), n, dim);
  }

  @Override
  public void scale(Buffer x, float factor, long count) {
    rows.scale(matrix("x", x, 1, count).segment(), factor, count);
  }

  @Override
  public void softcap(Buffer x, float cap, long count) {
    elements.softcap(matrix("x", x, 1, count).segment(), cap, count);
  }

  @Override
  public void activate(Activation f, Buffer x, long count) {
    elements.activate(f, matrix("x", x, 1, count).segment(), count);
  }

  @Override
  public void gate(Activation f, Buffer gate, Buffer up, long count) {
    MemorySegment to = matrix("gate", gate, 1, count).segment();
    elements.gate(f, to, matrix("up", up, 1, count).segment(), count);
  }

  @Override
  public void gateClamped(Buffer gate, Buffer up, long count, float alpha, float limit) {
    MemorySegment to = matrix("gate", gate, 1, count).segment();
    elements.gateClamped(to, matrix("up", up, 1, count).segment(), count, alpha, limit);
  }

  // ---- positions --------------------------------------------------------------------------------

  @Override
  public void rope(
      Buffer x, int n, int heads, int headLength, Buffer table, int dims, RopeStyle style) {
    if (dims > headLength || dims % 2 != 0) {
      throw new IllegalArgumentException(
          "expected an even number of rotated elements up to %d, found %d"
              .formatted(headLength, dims));
    }
    MemorySegment to = matrix("x", x, n, (long) heads * headLength).segment();
    MemorySegment angles = matrix("table", table, n, dims).segment();
    rows.rope(to, n, heads, headLength, angles, dims, style);
  }

  // ---- attention --------------------------------------------------------------------------------

  @Override
  public void attention(
      Buffer out, Buffer q, KvStore kv, int layer, Batch batch, AttentionSpec spec) {
    CpuKvStore store = kvStore(kv, layer, batch);
    NaiveAttention.checkLayout(store.layout(), spec);
    int n = batch.rows();
    MemorySegment to = matrix("out", out, n, (long) spec.heads() * spec.valueLength()).segment();
    MemorySegment from = matrix("q", q, n, (long) spec.heads() * spec.keyLength()).segment();
    Buffer logits = spec.sinks();
    MemorySegment sinks =
        logits == null ? null : matrix("sinks", logits, 1, spec.heads()).segment();
    attention.run(to, from, store, layer, batch, spec, sinks);
  }
}
