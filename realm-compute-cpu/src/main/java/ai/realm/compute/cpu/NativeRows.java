package ai.realm.compute.cpu;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;

/// Norms, rotary positions and element-wise operations: small ones by the caller alone, large ones in
/// runs of rows or elements on all threads.
final class NativeRows {
  /// Floats below which sharing costs more than it saves.
  private static final long ALONE = 16_384;

  private static final long FLOATS_PER_CHUNK = 8_192;

  private enum Operation {
    RMS_NORM,
    LAYER_NORM,
    ACTIVATE,
    GATE,
    GATE_CLAMPED,
    ADD,
    MULTIPLY,
    ADD_ROW,
    MULTIPLY_ROW,
    SCALE,
    SOFTCAP,
    ROPE
  }

  private final NativeKernels.Rows kernels;
  private final WorkerPool pool;
  private final WorkerPool.Task task = this::chunk;

  // The operation in progress. Addresses a, b, c, d; rows of `dim` floats; factors f, g.
  private Operation operation = Operation.ADD;
  private long a;
  private long b;
  private long c;
  private long d;
  private long rows;
  private long dim;
  private long rowsPerChunk;
  private long option;
  private long heads;
  private long headLength;
  private float f;
  private float g;

  NativeRows(NativeKernels.Rows kernels, WorkerPool pool) {
    this.kernels = kernels;
    this.pool = pool;
  }

  /// See [ai.realm.compute.Backend#rmsNorm]; `weight` is 0 for none.
  void rmsNorm(long out, long x, int n, int length, long weight, float eps) {
    operands(out, x, weight, 0);
    f = eps;
    run(Operation.RMS_NORM, n, length);
  }

  /// See [ai.realm.compute.Backend#layerNorm]; `weight` and `bias` are 0 for none.
  void layerNorm(long out, long x, int n, int length, long weight, long bias, float eps) {
    operands(out, x, weight, bias);
    f = eps;
    run(Operation.LAYER_NORM, n, length);
  }

  void activate(Activation function, long x, long count) {
    operands(x, 0, 0, 0);
    option = function.ordinal();
    run(Operation.ACTIVATE, count, 1);
  }

  void gate(Activation function, long gate, long up, long count) {
    operands(gate, up, 0, 0);
    option = function.ordinal();
    run(Operation.GATE, count, 1);
  }

  void gateClamped(long gate, long up, long count, float alpha, float limit) {
    operands(gate, up, 0, 0);
    f = alpha;
    g = limit;
    run(Operation.GATE_CLAMPED, count, 1);
  }

  void add(long x, long y, long count) {
    operands(x, y, 0, 0);
    run(Operation.ADD, count, 1);
  }

  void multiply(long x, long y, long count) {
    operands(x, y, 0, 0);
    run(Operation.MULTIPLY, count, 1);
  }

  void addRow(long x, long row, int n, int length) {
    operands(x, row, 0, 0);
    run(Operation.ADD_ROW, n, length);
  }

  void multiplyRow(long x, long row, int n, int length) {
    operands(x, row, 0, 0);
    run(Operation.MULTIPLY_ROW, n, length);
  }

  void scale(long x, float factor, long count) {
    operands(x, 0, 0, 0);
    f = factor;
    run(Operation.SCALE, count, 1);
  }

  void softcap(long x, float cap, long count) {
    operands(x, 0, 0, 0);
    f = cap;
    run(Operation.SOFTCAP, count, 1);
  }

  /// See [ai.realm.compute.Backend#rope].
  void rope(long x, int n, int headCount, int length, long table, int rotated, RopeStyle style) {
    operands(x, table, 0, 0);
    heads = headCount;
    headLength = length;
    c = rotated;
    option =
        switch (style) {
          case INTERLEAVED -> 0;
          case HALVES -> 1;
        };
    run(Operation.ROPE, n, (long) headCount * length);
  }

  private void operands(long first, long second, long third, long fourth) {
    a = first;
    b = second;
    c = third;
    d = fourth;
  }

  private void run(Operation next, long rowCount, long length) {
    operation = next;
    rows = rowCount;
    dim = length;
    if (rowCount * length < ALONE) {
      compute(0, rowCount);
      return;
    }
    // Whole cache lines for operations without rows.
    rowsPerChunk = length == 1 ? FLOATS_PER_CHUNK : Math.max(1, FLOATS_PER_CHUNK / length);
    pool.run(task, Math.toIntExact(Math.ceilDiv(rowCount, rowsPerChunk)));
  }

  private void chunk(int chunk, int worker) {
    long first = chunk * rowsPerChunk;
    compute(first, Math.min(rows, first + rowsPerChunk));
  }

  private void compute(long first, long last) {
    long n = last - first;
    long offset = first * dim * Float.BYTES;
    try {
      switch (operation) {
        case RMS_NORM -> kernels.rmsNorm().invokeExact(a + offset, b + offset, n, dim, c, f);
        case LAYER_NORM -> kernels.layerNorm().invokeExact(a + offset, b + offset, n, dim, c, d, f);
        case ACTIVATE -> kernels.activate().invokeExact(option, a + offset, n);
        case GATE -> kernels.gate().invokeExact(option, a + offset, b + offset, n);
        case GATE_CLAMPED -> kernels.gateClamped().invokeExact(a + offset, b + offset, n, f, g);
        case ADD -> kernels.add().invokeExact(a + offset, b + offset, n);
        case MULTIPLY -> kernels.multiply().invokeExact(a + offset, b + offset, n);
        case ADD_ROW -> {
          for (long i = 0; i < n; i++) {
            kernels.add().invokeExact(a + offset + i * dim * Float.BYTES, b, dim);
          }
        }
        case MULTIPLY_ROW -> {
          for (long i = 0; i < n; i++) {
            kernels.multiply().invokeExact(a + offset + i * dim * Float.BYTES, b, dim);
          }
        }
        case SCALE -> kernels.scale().invokeExact(a + offset, f, n);
        case SOFTCAP -> kernels.softcap().invokeExact(a + offset, f, n);
        case ROPE -> {
          long table = b + first * c * Float.BYTES;
          kernels.rope().invokeExact(a + offset, n, heads, headLength, table, c, option);
        }
      }
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }
}
