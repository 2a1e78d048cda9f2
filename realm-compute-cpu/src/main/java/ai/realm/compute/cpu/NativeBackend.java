package ai.realm.compute.cpu;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.MachineLimits;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightLoader;
import ai.realm.compute.WeightMatrix;
import ai.realm.compute.WeightsCache;
import ai.realm.compute.WeightsFile;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// C kernels on all threads of a [WorkerPool]: weights repacked at load, inputs quantized once per
/// step and matrix input, attention in the flash style. See realm-compute-cpu/src/main/c.
final class NativeBackend extends CpuBackend {
  /// Tables of this name are looked up in; a model that also multiplies with it (tied embeddings)
  /// has it packed at the first product.
  private static final String LOOKED_UP = "token_embd.weight";

  private final NativeKernels kernels;
  private final WorkerPool pool;
  private final boolean repack;
  private final NativePacking packing;
  private final NativeMatmul products;
  private final NativeRows rows;
  private final NativeAttention attention;
  private final @Nullable WeightsCache cache;
  private final NativeKernels.@Nullable Tiles tiles;
  private float[] row = new float[0];

  /// Nothing on disk.
  NativeBackend(NativeKernels kernels, int threads, boolean repack) {
    this(kernels, new BackendOptions(threads, repack));
  }

  /// Without repacking weights are packed panel by panel in each product.
  NativeBackend(NativeKernels kernels, BackendOptions options) {
    super(new NativeMemory(kernels.memory()));
    this.cache = options.weightsCache();
    this.kernels = kernels;
    this.repack = options.repack();
    tiles = options.batchInvariant() ? null : kernels.products().tiles();
    pool = new WorkerPool(options.threads() == 0 ? CpuShare.threads() : options.threads());
    packing = new NativePacking(kernels, memory(), pool);
    products = new NativeMatmul(kernels, tiles, packing, pool, repack);
    rows = new NativeRows(kernels.rows(), pool);
    attention = new NativeAttention(kernels.attention(), pool);
  }

  @Override
  public String name() {
    return "native";
  }

  @Override
  public String description() {
    String idle = kernels.products().tiles() == null ? "" : ", AMX not used: batch-invariant";
    return "native: %s%s, %d threads%s"
        .formatted(
            kernels.variant().instructions(),
            tiles == null ? idle : " and AMX",
            pool.threads(),
            repack ? "" : ", weights not repacked: slow");
  }

  /// Every kernel but those of tile registers sums each output in one order, however many tokens share the
  /// weights.
  @Override
  public boolean isBatchInvariant() {
    return tiles == null;
  }

  @Override
  public Optional<String> remark(GgmlType type) {
    return kernels.products().byType().containsKey(type)
        ? Optional.empty()
        : Optional.of(type + " has no kernel here: its rows are repacked as Q8_0 at load");
  }

  @Override
  public Optional<MachineLimits> measureLimits() {
    return Optional.of(new NativeLimits(kernels.limits(), pool).measure());
  }

  @Override
  public void keepFree(double part) {
    pool.keepFree(part);
  }

  @Override
  public void close() {
    pool.close();
    products.close();
    attention.close();
  }

  // ---- weights ----------------------------------------------------------------------------------

  @Override
  public WeightMatrix weights(Tensor tensor) {
    PackedWeights weights = new PackedWeights(tensor, packing.packedType(tensor));
    if (repack && !isLookedUp(tensor)) {
      packing.pack(weights);
    }
    return weights;
  }

  /// Whether a tensor is packed at its first product only.
  static boolean isLookedUp(Tensor tensor) {
    return tensor.name().equals(LOOKED_UP);
  }

  @Override
  public WeightLoader weightLoader(WeightsFile file) {
    WeightsCache allowed = cache;
    return allowed == null || !repack
        ? super.weightLoader(file)
        : PackedLoader.begin(
            file, allowed, packing, PackedLayout.of(kernels, packing), pool, new PackedStorage());
  }

  private static PackedWeights packed(WeightMatrix w) {
    if (w instanceof PackedWeights weights) {
      return weights;
    }
    throw new IllegalArgumentException(
        "expected weights of the native backend, found " + w.getClass().getName());
  }

  @Override
  public void embed(Buffer out, WeightMatrix table, int[] ids, int n) {
    PackedWeights weights = packed(table);
    Tensor tensor = weights.tensor();
    int dim = weights.cols();
    matrix("out", out, n, dim);
    BlockCodec codec = BlockCodec.of(tensor.type());
    if (row.length < dim) {
      row = new float[dim];
    }
    for (int i = 0; i < n; i++) {
      long id = Objects.checkIndex(ids[i], weights.rows());
      codec.dequantize(tensor.data(), id * tensor.rowBytes(), row, 0, dim);
      write(out, (long) i * dim, row, 0, dim);
    }
  }

  // ---- matrix products --------------------------------------------------------------------------

  @Override
  public void matmul(Buffer[] outs, WeightMatrix[] ws, Buffer x, int n) {
    if (outs.length != ws.length || ws.length == 0) {
      throw new IllegalArgumentException(
          "expected as many results as matrices and at least one, found %d and %d"
              .formatted(outs.length, ws.length));
    }
    int cols = ws[0].cols();
    products.begin(ws.length, matrix("x", x, n, cols).address(), n, cols);
    for (int m = 0; m < ws.length; m++) {
      checkMatmul(outs[m], ws[m], x, n);
      if (ws[m].cols() != cols) {
        throw new IllegalArgumentException(
            "%s: expected %d columns as in %s, found %d"
                .formatted(ws[m].name(), cols, ws[0].name(), ws[m].cols()));
      }
      products.add(packed(ws[m]), matrix("out", outs[m], n, ws[m].rows()).address());
    }
    products.run();
  }

  @Override
  public void matmul(Buffer out, WeightMatrix w, Buffer x, int n) {
    checkMatmul(out, w, x, n);
    int cols = w.cols();
    products.begin(1, matrix("x", x, n, cols).address(), n, cols);
    products.add(packed(w), matrix("out", out, n, w.rows()).address());
    products.run();
  }

  // ---- norms ------------------------------------------------------------------------------------

  @Override
  public void rmsNorm(Buffer out, Buffer x, int n, int dim, @Nullable Buffer weight, float eps) {
    rows.rmsNorm(
        matrix("out", out, n, dim).address(),
        matrix("x", x, n, dim).address(),
        n,
        dim,
        weight == null ? 0 : matrix("weight", weight, 1, dim).address(),
        eps);
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
    rows.layerNorm(
        matrix("out", out, n, dim).address(),
        matrix("x", x, n, dim).address(),
        n,
        dim,
        weight == null ? 0 : matrix("weight", weight, 1, dim).address(),
        bias == null ? 0 : matrix("bias", bias, 1, dim).address(),
        eps);
  }

  // ---- elements ---------------------------------------------------------------------------------

  private static long elements(String what, Buffer buffer, long count) {
    return matrix(what, buffer, 1, count).address();
  }

  @Override
  public void add(Buffer x, Buffer y, long count) {
    rows.add(elements("x", x, count), elements("y", y, count), count);
  }

  @Override
  public void multiply(Buffer x, Buffer y, long count) {
    rows.multiply(elements("x", x, count), elements("y", y, count), count);
  }

  @Override
  public void addRow(Buffer x, Buffer values, int n, int dim) {
    rows.addRow(matrix("x", x, n, dim).address(), elements("row", values, dim), n, dim);
  }

  @Override
  public void multiplyRow(Buffer x, Buffer values, int n, int dim) {
    rows.multiplyRow(matrix("x", x, n, dim).address(), elements("row", values, dim), n, dim);
  }

  @Override
  public void scale(Buffer x, float factor, long count) {
    rows.scale(elements("x", x, count), factor, count);
  }

  @Override
  public void softcap(Buffer x, float cap, long count) {
    rows.softcap(elements("x", x, count), cap, count);
  }

  @Override
  public void activate(Activation f, Buffer x, long count) {
    rows.activate(f, elements("x", x, count), count);
  }

  @Override
  public void gate(Activation f, Buffer gate, Buffer up, long count) {
    rows.gate(f, elements("gate", gate, count), elements("up", up, count), count);
  }

  @Override
  public void gateClamped(Buffer gate, Buffer up, long count, float alpha, float limit) {
    rows.gateClamped(elements("gate", gate, count), elements("up", up, count), count, alpha, limit);
  }

  // ---- positions --------------------------------------------------------------------------------

  @Override
  public void rope(
      Buffer x, int n, int heads, int headLength, Buffer table, int dims, RopeStyle style) {
    if (dims < 2 || dims > headLength || dims % 2 != 0) {
      throw new IllegalArgumentException(
          "expected an even number of rotated elements up to %d, found %d"
              .formatted(headLength, dims));
    }
    rows.rope(
        matrix("x", x, n, (long) heads * headLength).address(),
        n,
        heads,
        headLength,
        matrix("table", table, n, dims).address(),
        dims,
        style);
  }

  // ---- attention --------------------------------------------------------------------------------

  @Override
  public void storeKv(KvStore kv, int layer, Batch batch, Buffer k, Buffer v) {
    CpuKvStore store = kvStore(kv, layer, batch);
    long heads = store.layout().kvHeads();
    attention.storeKv(
        store,
        layer,
        batch,
        matrix("k", k, batch.rows(), heads * store.layout().keyLength()).address(),
        matrix("v", v, batch.rows(), heads * store.layout().valueLength()).address());
  }

  @Override
  public void attention(
      Buffer out, Buffer q, KvStore kv, int layer, Batch batch, AttentionSpec spec) {
    CpuKvStore store = kvStore(kv, layer, batch);
    NaiveAttention.checkLayout(store.layout(), spec);
    int n = batch.rows();
    Buffer sinks = spec.sinks();
    attention.attention(
        matrix("out", out, n, (long) spec.heads() * spec.valueLength()).address(),
        matrix("q", q, n, (long) spec.heads() * spec.keyLength()).address(),
        store,
        layer,
        batch,
        spec,
        sinks == null ? 0 : elements("sinks", sinks, spec.heads()));
  }
}
