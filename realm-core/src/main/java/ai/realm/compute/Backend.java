package ai.realm.compute;

import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What computes: memory for activations, weights and KV blocks, and the operations of a transformer
/// over them. All backends pass one contract, `BackendContract` in realm-testing; the naive backend is
/// its reference.
///
/// Operations are called by one thread at a time and return when they are done; a backend spreads
/// them over its own threads. Shapes are row-major. `out` may be the same buffer as an input only
/// where an operation says so. Every operation works for any number of rows ≥ 1 and any size that the
/// quant types allow, odd ones too; sizes that do not fit the buffers are an
/// [IllegalArgumentException] or [IndexOutOfBoundsException], never a write elsewhere.
public interface Backend extends AutoCloseable {
  /// Short name as users give it: `naive`, `vector`, `native`.
  String name();

  /// One line for users: instruction set, threads, what is slow and why.
  String description();

  /// Whether every operation gives each row the very same floats, bit for bit, whatever other rows, sequences
  /// and chunks of prompts are in the call: output that is batched with strangers then equals output alone. Other
  /// backends are equal up to rounding, for they choose among kernels by the number of rows; that can tip a choice between tokens that
  /// are all but equally probable. [BackendOptions#batchInvariant] requires it.
  boolean isBatchInvariant();

  /// What a user must know of weights of this type here, as a sentence: that they are slow, or converted.
  /// Empty for types with a kernel of their own.
  default Optional<String> remark(GgmlType type) {
    return Optional.empty();
  }

  /// Measures what this machine can do at most, in about a second; empty where the backend cannot.
  default Optional<MachineLimits> measureLimits() {
    return Optional.empty();
  }

  /// Leaves one of its threads without work from the next operation on, for what else has to run on these cores,
  /// where that is no more than `part` of all; 0 for none. Results stay the same. A backend that needs no cores
  /// ignores it.
  default void keepFree(double part) {}

  /// Frees everything; buffers and weights of this backend must not be used afterwards.
  @Override
  void close();

  // ---- memory -----------------------------------------------------------------------------------

  /// A zeroed buffer of `size` floats.
  Buffer allocate(long size);

  /// The weights of a tensor of any float or quantized type, dequantized to floats: norms, biases,
  /// factors. For small tensors.
  Buffer floats(Tensor tensor);

  /// A matrix to multiply with or to look rows up in. Uses the tensor's memory as it lies or repacks
  /// it; the tensor's memory must stay valid until the matrix is closed.
  WeightMatrix weights(Tensor tensor);

  /// Begins to load the matrices of a model file, which stays open as long as they live. A backend that
  /// keeps repacked weights on disk ([BackendOptions#weightsCache]) finds and writes them here.
  default WeightLoader weightLoader(WeightsFile file) {
    return this::weights;
  }

  /// A pool of `blocks` zeroed KV blocks.
  KvStore kvStore(KvLayout layout, int blocks);

  /// Copies floats into a buffer.
  void write(Buffer to, long offset, float[] from, int fromOffset, int count);

  /// Copies floats out of a buffer.
  void read(Buffer from, long offset, float[] to, int toOffset, int count);

  // ---- rows -------------------------------------------------------------------------------------

  /// `out[i] = table row ids[i]`, dequantized, for i < n. Shapes: table (vocab, dim), out (n, dim).
  ///
  /// @throws IndexOutOfBoundsException for an id outside the table
  void embed(Buffer out, WeightMatrix table, int[] ids, int n);

  /// `out[i] = x[rows[i]]` for i < n. Shapes: x (any, dim), out (n, dim).
  void gatherRows(Buffer out, Buffer x, int[] rows, int n, int dim);

  /// `out[rows[i]] += factors[i] · x[i]` for i < n. Shapes: x (n, dim), out (any, dim). Rows may repeat.
  void scatterAddRows(Buffer out, Buffer x, int[] rows, float[] factors, int n, int dim);

  /// Copies columns between row-major matrices of n rows: `out[i][outCol + j] = x[i][xCol + j]` for
  /// j < count. Shapes: x (n, xCols), out (n, outCols).
  void copyColumns(
      Buffer out, int outCols, int outCol, Buffer x, int xCols, int xCol, int count, int n);

  // ---- norms ------------------------------------------------------------------------------------

  /// `out = x / sqrt(mean(x²) + eps) · weight` along rows. Shapes: x, out (n, dim), weight (dim) or
  /// null for 1. `out` may be `x`. Used per head too, with n = rows × heads and dim = head length.
  void rmsNorm(Buffer out, Buffer x, int n, int dim, @Nullable Buffer weight, float eps);

  /// `out = (x − mean) / sqrt(variance + eps) · weight + bias` along rows. Shapes: x, out (n, dim),
  /// weight and bias (dim) or null. `out` may be `x`.
  void layerNorm(
      Buffer out,
      Buffer x,
      int n,
      int dim,
      @Nullable Buffer weight,
      @Nullable Buffer bias,
      float eps);

  // ---- matrix products --------------------------------------------------------------------------

  /// `outs[m] = x · ws[m]ᵀ` for every m: several matrices over one input (q, k, v; gate and up), so
  /// that the input is prepared once. Shapes: x (n, cols), ws[m] (rows_m, cols), outs[m] (n, rows_m).
  void matmul(Buffer[] outs, WeightMatrix[] ws, Buffer x, int n);

  /// `out = x · wᵀ`. Shapes: x (n, cols), w (rows, cols), out (n, rows).
  void matmul(Buffer out, WeightMatrix w, Buffer x, int n);

  // ---- elements ---------------------------------------------------------------------------------

  /// `x += y` over `count` floats.
  void add(Buffer x, Buffer y, long count);

  /// `x *= y` over `count` floats.
  void multiply(Buffer x, Buffer y, long count);

  /// `x[i] += row` for i < n. Shapes: x (n, dim), row (dim).
  void addRow(Buffer x, Buffer row, int n, int dim);

  /// `x[i] *= row` for i < n. Shapes: x (n, dim), row (dim).
  void multiplyRow(Buffer x, Buffer row, int n, int dim);

  /// `x *= factor` over `count` floats.
  void scale(Buffer x, float factor, long count);

  /// `x = cap · tanh(x / cap)` over `count` floats.
  void softcap(Buffer x, float cap, long count);

  /// `x = f(x)` over `count` floats.
  void activate(Activation f, Buffer x, long count);

  /// `gate = f(gate) · up` over `count` floats: SwiGLU, GeGLU.
  void gate(Activation f, Buffer gate, Buffer up, long count);

  /// `gate = g · sigmoid(alpha · g) · (1 + u)` with g = min(gate, limit), u = clamp(up, −limit, limit)
  /// over `count` floats: the clamped SwiGLU of gpt-oss.
  void gateClamped(Buffer gate, Buffer up, long count, float alpha, float limit);

  // ---- positions --------------------------------------------------------------------------------

  /// Cosines and sines of a step's positions, computed once and used by all layers:
  /// `table[i] = (cos(p·f₀)·m, sin(p·f₀)·m, cos(p·f₁)·m, …)` with p the position of row i and m the
  /// magnitude. Shapes: frequencies (dims / 2), table (rows, dims).
  void ropeTable(Buffer table, Batch batch, float[] frequencies, float magnitude);

  /// Rotates the first `dims` elements of each head. Shapes: x (n, heads · headLength), table (n, dims).
  void rope(Buffer x, int n, int heads, int headLength, Buffer table, int dims, RopeStyle style);

  // ---- attention --------------------------------------------------------------------------------

  /// Stores a step's keys and values at the batch's positions. Shapes: k (rows, kvHeads · keyLength),
  /// v (rows, kvHeads · valueLength).
  void storeKv(KvStore kv, int layer, Batch batch, Buffer k, Buffer v);

  /// Attention of each row over the keys and values of its own sequence, those of this step included.
  /// Shapes: q (rows, heads · keyLength), out (rows, heads · valueLength).
  void attention(Buffer out, Buffer q, KvStore kv, int layer, Batch batch, AttentionSpec spec);
}
