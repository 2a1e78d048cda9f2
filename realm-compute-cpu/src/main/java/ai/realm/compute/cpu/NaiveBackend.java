package ai.realm.compute.cpu;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.Tensor;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The reference: plain loops in one thread, sums in double, weights dequantized row by row. What the
/// other backends compute is tested against it; it is not meant to be fast.
final class NaiveBackend extends CpuBackend {
  private static final double GELU_TANH = Math.sqrt(2 / Math.PI);

  @Override
  public String name() {
    return "naive";
  }

  @Override
  public boolean isBatchInvariant() {
    return true;
  }

  @Override
  public String description() {
    return "naive: plain loops, 1 thread; the reference, slow for real models";
  }

  @Override
  public void close() {
    // Buffers and KV stores are closed by their owners.
  }

  private static CpuWeights mapped(WeightMatrix w) {
    if (w instanceof CpuWeights weights) {
      return weights;
    }
    throw new IllegalArgumentException(
        "expected weights of the naive backend, found " + w.getClass().getName());
  }

  // ---- rows -------------------------------------------------------------------------------------

  @Override
  public void embed(Buffer out, WeightMatrix table, int[] ids, int n) {
    CpuWeights weights = mapped(table);
    Tensor tensor = weights.tensor();
    int dim = weights.cols();
    matrix("out", out, n, dim);
    BlockCodec codec = BlockCodec.of(tensor.type());
    float[] row = new float[dim];
    for (int i = 0; i < n; i++) {
      long id = Objects.checkIndex(ids[i], weights.rows());
      codec.dequantize(tensor.data(), id * tensor.rowBytes(), row, 0, dim);
      write(out, (long) i * dim, row, 0, dim);
    }
  }

  // ---- norms ------------------------------------------------------------------------------------

  @Override
  public void rmsNorm(Buffer out, Buffer x, int n, int dim, @Nullable Buffer weight, float eps) {
    CpuBuffer to = matrix("out", out, n, dim);
    CpuBuffer from = matrix("x", x, n, dim);
    CpuBuffer w = weight == null ? null : matrix("weight", weight, 1, dim);
    for (long i = 0; i < n; i++) {
      double squares = 0;
      for (int j = 0; j < dim; j++) {
        double value = from.get(i * dim + j);
        squares += value * value;
      }
      double scale = 1 / Math.sqrt(squares / dim + eps);
      for (int j = 0; j < dim; j++) {
        double value = from.get(i * dim + j) * scale;
        to.set(i * dim + j, (float) (w == null ? value : value * w.get(j)));
      }
    }
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
    CpuBuffer to = matrix("out", out, n, dim);
    CpuBuffer from = matrix("x", x, n, dim);
    CpuBuffer w = weight == null ? null : matrix("weight", weight, 1, dim);
    CpuBuffer b = bias == null ? null : matrix("bias", bias, 1, dim);
    for (long i = 0; i < n; i++) {
      double sum = 0;
      for (int j = 0; j < dim; j++) {
        sum += from.get(i * dim + j);
      }
      double mean = sum / dim;
      double squares = 0;
      for (int j = 0; j < dim; j++) {
        double difference = from.get(i * dim + j) - mean;
        squares += difference * difference;
      }
      double scale = 1 / Math.sqrt(squares / dim + eps);
      for (int j = 0; j < dim; j++) {
        double value = (from.get(i * dim + j) - mean) * scale;
        value = w == null ? value : value * w.get(j);
        to.set(i * dim + j, (float) (b == null ? value : value + b.get(j)));
      }
    }
  }

  // ---- matrix products --------------------------------------------------------------------------

  @Override
  public void matmul(Buffer[] outs, WeightMatrix[] ws, Buffer x, int n) {
    if (outs.length != ws.length) {
      throw new IllegalArgumentException(
          "expected as many results as matrices, found %d and %d"
              .formatted(outs.length, ws.length));
    }
    for (int m = 0; m < ws.length; m++) {
      matmul(outs[m], ws[m], x, n);
    }
  }

  @Override
  public void matmul(Buffer out, WeightMatrix w, Buffer x, int n) {
    checkMatmul(out, w, x, n);
    Tensor tensor = mapped(w).tensor();
    CpuBuffer to = matrix("out", out, n, w.rows());
    int rows = w.rows();
    int cols = w.cols();
    BlockCodec codec = BlockCodec.of(tensor.type());
    float[] xs = new float[n * cols];
    float[] row = new float[cols];
    read(x, 0, xs, 0, xs.length);
    for (int r = 0; r < rows; r++) {
      codec.dequantize(tensor.data(), r * tensor.rowBytes(), row, 0, cols);
      for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < cols; j++) {
          sum += (double) row[j] * xs[i * cols + j];
        }
        to.set((long) i * rows + r, (float) sum);
      }
    }
  }

  // ---- elements ---------------------------------------------------------------------------------

  @Override
  public void add(Buffer x, Buffer y, long count) {
    CpuBuffer to = matrix("x", x, 1, count);
    CpuBuffer from = matrix("y", y, 1, count);
    for (long i = 0; i < count; i++) {
      to.set(i, to.get(i) + from.get(i));
    }
  }

  @Override
  public void multiply(Buffer x, Buffer y, long count) {
    CpuBuffer to = matrix("x", x, 1, count);
    CpuBuffer from = matrix("y", y, 1, count);
    for (long i = 0; i < count; i++) {
      to.set(i, to.get(i) * from.get(i));
    }
  }

  @Override
  public void addRow(Buffer x, Buffer row, int n, int dim) {
    CpuBuffer to = matrix("x", x, n, dim);
    CpuBuffer from = matrix("row", row, 1, dim);
    for (long i = 0; i < n; i++) {
      for (int j = 0; j < dim; j++) {
        to.set(i * dim + j, to.get(i * dim + j) + from.get(j));
      }
    }
  }

  @Override
  public void multiplyRow(Buffer x, Buffer row, int n, int dim) {
    CpuBuffer to = matrix("x", x, n, dim);
    CpuBuffer from = matrix("row", row, 1, dim);
    for (long i = 0; i < n; i++) {
      for (int j = 0; j < dim; j++) {
        to.set(i * dim + j, to.get(i * dim + j) * from.get(j));
      }
    }
  }

  @Override
  public void scale(Buffer x, float factor, long count) {
    CpuBuffer to = matrix("x", x, 1, count);
    for (long i = 0; i < count; i++) {
      to.set(i, to.get(i) * factor);
    }
  }

  @Override
  public void softcap(Buffer x, float cap, long count) {
    CpuBuffer to = matrix("x", x, 1, count);
    for (long i = 0; i < count; i++) {
      to.set(i, (float) (cap * Math.tanh(to.get(i) / (double) cap)));
    }
  }

  @Override
  public void activate(Activation f, Buffer x, long count) {
    CpuBuffer to = matrix("x", x, 1, count);
    for (long i = 0; i < count; i++) {
      to.set(i, (float) apply(f, to.get(i)));
    }
  }

  @Override
  public void gate(Activation f, Buffer gate, Buffer up, long count) {
    CpuBuffer to = matrix("gate", gate, 1, count);
    CpuBuffer from = matrix("up", up, 1, count);
    for (long i = 0; i < count; i++) {
      to.set(i, (float) (apply(f, to.get(i)) * from.get(i)));
    }
  }

  @Override
  public void gateClamped(Buffer gate, Buffer up, long count, float alpha, float limit) {
    CpuBuffer to = matrix("gate", gate, 1, count);
    CpuBuffer from = matrix("up", up, 1, count);
    for (long i = 0; i < count; i++) {
      double g = Math.min(to.get(i), limit);
      double u = Math.clamp(from.get(i), -limit, limit);
      to.set(i, (float) (g * sigmoid(alpha * g) * (1 + u)));
    }
  }

  private static double apply(Activation f, double x) {
    return switch (f) {
      case SILU -> x * sigmoid(x);
      case GELU -> 0.5 * x * (1 + Math.tanh(GELU_TANH * x * (1 + 0.044715 * x * x)));
      case GELU_ERF -> 0.5 * x * (1 + ErrorFunction.erf(x / Math.sqrt(2)));
      case GELU_QUICK -> x * sigmoid(1.702 * x);
      case RELU -> Math.max(x, 0);
      case RELU_SQUARED -> Math.max(x, 0) * Math.max(x, 0);
      case SIGMOID -> sigmoid(x);
    };
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
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
    CpuBuffer to = matrix("x", x, n, (long) heads * headLength);
    CpuBuffer angles = matrix("table", table, n, dims);
    int pairs = dims / 2;
    for (int i = 0; i < n; i++) {
      for (int h = 0; h < heads; h++) {
        long head = ((long) i * heads + h) * headLength;
        for (int j = 0; j < pairs; j++) {
          float cos = angles.get((long) i * dims + 2 * j);
          float sin = angles.get((long) i * dims + 2 * j + 1);
          long first =
              head
                  + switch (style) {
                    case INTERLEAVED -> 2 * j;
                    case HALVES -> j;
                  };
          long second =
              first
                  + switch (style) {
                    case INTERLEAVED -> 1;
                    case HALVES -> pairs;
                  };
          float a = to.get(first);
          float b = to.get(second);
          to.set(first, a * cos - b * sin);
          to.set(second, a * sin + b * cos);
        }
      }
    }
  }

  // ---- attention --------------------------------------------------------------------------------

  @Override
  public void attention(
      Buffer out, Buffer q, KvStore kv, int layer, Batch batch, AttentionSpec spec) {
    CpuKvStore store = kvStore(kv, layer, batch);
    NaiveAttention.checkLayout(store.layout(), spec);
    int rows = batch.rows();
    CpuBuffer to = matrix("out", out, rows, (long) spec.heads() * spec.valueLength());
    CpuBuffer queries = matrix("q", q, rows, (long) spec.heads() * spec.keyLength());
    Buffer sinkLogits = spec.sinks();
    CpuBuffer sinks = sinkLogits == null ? null : matrix("sinks", sinkLogits, 1, spec.heads());
    for (int s = 0; s < batch.sequences(); s++) {
      for (int g = 0; g < spec.kvHeads(); g++) {
        new NaiveAttention(store, layer, batch, s, g, spec).compute(to, queries, sinks);
      }
    }
  }
}
