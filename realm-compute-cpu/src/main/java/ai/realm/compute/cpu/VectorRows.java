package ai.realm.compute.cpu;

import ai.realm.compute.RopeStyle;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Norms, rotations and sums over rows, shared out over the worker pool by rows where there are many.
/// Plain loops: they are memory's speed once compiled, and quick before. Used by one thread at a time.
final class VectorRows {
  private enum Operation {
    RMS_NORM,
    LAYER_NORM,
    ADD,
    MULTIPLY,
    SCALE,
    ROPE
  }

  private final WorkerPool pool;
  private final long aloneBelow;
  private final WorkerPool.Task task = this::chunk;

  // The operation under way.
  private Operation operation = Operation.ADD;
  private MemorySegment out = MemorySegment.NULL;
  private MemorySegment x = MemorySegment.NULL;
  private @Nullable MemorySegment weight;
  private @Nullable MemorySegment bias;
  private RopeStyle style = RopeStyle.HALVES;
  private float number;
  private long n;
  private long dim;
  private int heads;
  private int dims;
  private long rowsPerChunk;

  /// @param aloneBelow floats below which the caller computes alone
  VectorRows(WorkerPool pool, long aloneBelow) {
    this.pool = pool;
    this.aloneBelow = aloneBelow;
  }

  void rmsNorm(
      MemorySegment out,
      MemorySegment x,
      int n,
      int dim,
      @Nullable MemorySegment weight,
      float eps) {
    begin(Operation.RMS_NORM, out, x, n, dim);
    this.weight = weight;
    number = eps;
    run();
  }

  void layerNorm(
      MemorySegment out,
      MemorySegment x,
      int n,
      int dim,
      @Nullable MemorySegment weight,
      @Nullable MemorySegment bias,
      float eps) {
    begin(Operation.LAYER_NORM, out, x, n, dim);
    this.weight = weight;
    this.bias = bias;
    number = eps;
    run();
  }

  /// `x[i] += row` for i < n.
  void add(MemorySegment x, MemorySegment row, int n, long dim) {
    begin(Operation.ADD, x, row, n, dim);
    run();
  }

  /// `x[i] *= row` for i < n.
  void multiply(MemorySegment x, MemorySegment row, int n, long dim) {
    begin(Operation.MULTIPLY, x, row, n, dim);
    run();
  }

  /// `x *= factor`.
  void scale(MemorySegment x, float factor, long count) {
    begin(Operation.SCALE, x, x, 1, count);
    number = factor;
    run();
  }

  void rope(
      MemorySegment x,
      int n,
      int heads,
      int headLength,
      MemorySegment table,
      int dims,
      RopeStyle style) {
    begin(Operation.ROPE, x, table, n, (long) heads * headLength);
    this.heads = heads;
    this.dims = dims;
    this.style = style;
    run();
  }

  private void begin(Operation operation, MemorySegment out, MemorySegment x, int n, long dim) {
    this.operation = operation;
    this.out = out;
    this.x = x;
    this.n = n;
    this.dim = dim;
    weight = null;
    bias = null;
  }

  private void run() {
    if (n == 1 || n * dim < aloneBelow) {
      rowsPerChunk = n;
      chunk(0, 0);
    } else {
      rowsPerChunk = Math.max(1, aloneBelow / 4 / dim);
      pool.run(task, Math.toIntExact(Math.ceilDiv(n, rowsPerChunk)));
    }
    out = MemorySegment.NULL;
    x = MemorySegment.NULL;
    weight = null;
    bias = null;
  }

  private void chunk(int chunk, int worker) {
    long from = chunk * rowsPerChunk;
    long to = Math.min(n, from + rowsPerChunk);
    long bytes = dim * Float.BYTES;
    for (long i = from; i < to; i++) {
      long at = i * bytes;
      int length = (int) dim;
      switch (operation) {
        case RMS_NORM -> rmsNormRow(out, x, at, length, weight, number);
        case LAYER_NORM -> layerNormRow(out, x, at, length, weight, bias, number);
        case ADD -> addRow(out, at, x, dim);
        case MULTIPLY -> multiplyRow(out, at, x, dim);
        case SCALE -> scaleRow(out, at, number, dim);
        case ROPE -> ropeRow(i * dims * Float.BYTES, at);
      }
    }
  }

  private static void rmsNormRow(
      MemorySegment out,
      MemorySegment x,
      long at,
      int length,
      @Nullable MemorySegment weight,
      float eps) {
    float scale = (float) (1 / Math.sqrt(squares(x, at, length, 0) / length + eps));
    normalize(out, x, at, length, 0, scale, weight, null);
  }

  private static void layerNormRow(
      MemorySegment out,
      MemorySegment x,
      long at,
      int length,
      @Nullable MemorySegment weight,
      @Nullable MemorySegment bias,
      float eps) {
    float mean = (float) (sum(x, at, length) / length);
    float scale = (float) (1 / Math.sqrt(squares(x, at, length, mean) / length + eps));
    normalize(out, x, at, length, mean, scale, weight, bias);
  }

  /// Four running sums, so that additions do not wait for each other.
  private static double sum(MemorySegment x, long at, int length) {
    float a = 0;
    float b = 0;
    float c = 0;
    float d = 0;
    int i = 0;
    for (; i + 4 <= length; i += 4) {
      a += get(x, at, i);
      b += get(x, at, i + 1);
      c += get(x, at, i + 2);
      d += get(x, at, i + 3);
    }
    for (; i < length; i++) {
      a += get(x, at, i);
    }
    return (double) a + b + c + d;
  }

  /// `Σ (x − mean)²`.
  private static double squares(MemorySegment x, long at, int length, float mean) {
    float a = 0;
    float b = 0;
    float c = 0;
    float d = 0;
    int i = 0;
    for (; i + 4 <= length; i += 4) {
      float p = get(x, at, i) - mean;
      float q = get(x, at, i + 1) - mean;
      float r = get(x, at, i + 2) - mean;
      float s = get(x, at, i + 3) - mean;
      a += p * p;
      b += q * q;
      c += r * r;
      d += s * s;
    }
    for (; i < length; i++) {
      float p = get(x, at, i) - mean;
      a += p * p;
    }
    return (double) a + b + c + d;
  }

  private static void normalize(
      MemorySegment out,
      MemorySegment x,
      long at,
      int length,
      float mean,
      float scale,
      @Nullable MemorySegment weight,
      @Nullable MemorySegment bias) {
    if (weight == null) {
      for (int i = 0; i < length; i++) {
        set(out, at, i, (get(x, at, i) - mean) * scale);
      }
    } else {
      for (int i = 0; i < length; i++) {
        set(out, at, i, (get(x, at, i) - mean) * scale * get(weight, 0, i));
      }
    }
    if (bias != null) {
      addRow(out, at, bias, length);
    }
  }

  private static void addRow(MemorySegment x, long at, MemorySegment row, long length) {
    for (int i = 0; i < length; i++) {
      set(x, at, i, get(x, at, i) + get(row, 0, i));
    }
  }

  private static void multiplyRow(MemorySegment x, long at, MemorySegment row, long length) {
    for (int i = 0; i < length; i++) {
      set(x, at, i, get(x, at, i) * get(row, 0, i));
    }
  }

  private static void scaleRow(MemorySegment x, long at, float factor, long length) {
    for (int i = 0; i < length; i++) {
      set(x, at, i, get(x, at, i) * factor);
    }
  }

  private void ropeRow(long table, long row) {
    int headLength = (int) (dim / heads);
    for (int h = 0; h < heads; h++) {
      long head = row + (long) h * headLength * Float.BYTES;
      switch (style) {
        case INTERLEAVED -> rotate(out, head, head + Float.BYTES, 2, x, table, dims / 2);
        case HALVES ->
            rotate(out, head, head + (long) dims / 2 * Float.BYTES, 1, x, table, dims / 2);
      }
    }
  }

  /// Rotates pairs `(first, second)`, `step` floats apart from one pair to the next.
  private static void rotate(
      MemorySegment x, long first, long second, int step, MemorySegment table, long angles, int n) {
    for (int j = 0; j < n; j++) {
      float cos = get(table, angles, 2 * j);
      float sin = get(table, angles, 2 * j + 1);
      float a = get(x, first, j * step);
      float b = get(x, second, j * step);
      set(x, first, j * step, a * cos - b * sin);
      set(x, second, j * step, a * sin + b * cos);
    }
  }

  private static float get(MemorySegment memory, long at, int i) {
    return memory.get(Lanes.FLOAT, at + (long) i * Float.BYTES);
  }

  private static void set(MemorySegment memory, long at, int i, float value) {
    memory.set(Lanes.FLOAT, at + (long) i * Float.BYTES, value);
  }
}
