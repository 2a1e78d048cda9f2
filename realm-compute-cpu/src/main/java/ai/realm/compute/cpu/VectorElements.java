package ai.realm.compute.cpu;

import ai.realm.compute.Activation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/// Non-linear functions over runs of floats, shared out over the worker pool where there are many.
/// Used by one thread at a time.
final class VectorElements {
  /// Floats below which waking the workers costs more than it saves.
  private static final long ALONE_BELOW = 1 << 14;

  /// Floats of one chunk; a multiple of a vector.
  private static final int CHUNK = 1 << 12;

  /// `2 · sqrt(2 / π)`: 1 + tanh(u) = 2 · sigmoid(2u).
  private static final float GELU_FACTOR = (float) (2 * Math.sqrt(2 / Math.PI));

  private static final float GELU_CUBE = 0.044715f;
  private static final float GELU_QUICK = 1.702f;

  /// What is computed of `x` and, where it takes one, `y`.
  private enum Function {
    ACTIVATE,
    GATE,
    GATE_CLAMPED,
    SOFTCAP
  }

  private final WorkerPool pool;
  private final WorkerPool.Task task = this::chunk;

  /// The floats after the last whole vector, one vector of `x` and one of `y`: kernels know no tails.
  private final MemorySegment tail;

  private Function function = Function.ACTIVATE;
  private Activation activation = Activation.SILU;
  private MemorySegment x = MemorySegment.NULL;
  private MemorySegment y = MemorySegment.NULL;
  private long count;
  private float alpha;
  private float limit;

  /// @param arena owns scratch memory
  VectorElements(WorkerPool pool, Arena arena) {
    this.pool = pool;
    tail = arena.allocate(2L * Lanes.BYTES, CpuBuffer.ALIGNMENT);
  }

  /// `x = f(x)`.
  void activate(Activation f, MemorySegment x, long count) {
    activation = f;
    run(Function.ACTIVATE, x, x, count);
  }

  /// `gate = f(gate) · up`.
  void gate(Activation f, MemorySegment gate, MemorySegment up, long count) {
    activation = f;
    run(Function.GATE, gate, up, count);
  }

  /// `gate = g · sigmoid(alpha · g) · (1 + u)`, both clamped.
  void gateClamped(MemorySegment gate, MemorySegment up, long count, float alpha, float limit) {
    this.alpha = alpha;
    this.limit = limit;
    run(Function.GATE_CLAMPED, gate, up, count);
  }

  /// `x = cap · tanh(x / cap)`.
  void softcap(MemorySegment x, float cap, long count) {
    limit = cap;
    run(Function.SOFTCAP, x, x, count);
  }

  private void run(Function f, MemorySegment x, MemorySegment y, long count) {
    function = f;
    this.x = x;
    this.y = y;
    this.count = count;
    int chunks = Math.toIntExact(Math.ceilDiv(count, (long) CHUNK));
    if (count < ALONE_BELOW) {
      for (int chunk = 0; chunk < chunks; chunk++) {
        chunk(chunk, 0);
      }
    } else {
      pool.run(task, chunks);
    }
    this.x = MemorySegment.NULL;
    this.y = MemorySegment.NULL;
  }

  private void chunk(int chunk, int worker) {
    long from = (long) chunk * CHUNK;
    int length = (int) Math.min(CHUNK, count - from);
    int whole = Lanes.FLOATS.loopBound(length);
    span(x, from * Float.BYTES, y, from * Float.BYTES, whole);
    if (whole < length) {
      long at = (from + whole) * Float.BYTES;
      long bytes = (long) (length - whole) * Float.BYTES;
      MemorySegment.copy(x, at, tail, 0, bytes);
      MemorySegment.copy(y, at, tail, Lanes.BYTES, bytes);
      span(tail, 0, tail, Lanes.BYTES, Lanes.COUNT);
      MemorySegment.copy(tail, 0, x, at, bytes);
    }
  }

  private void span(MemorySegment x, long xs, MemorySegment y, long ys, int length) {
    switch (function) {
      case ACTIVATE -> activate(x, xs, length);
      case GATE -> {
        activate(x, xs, length);
        multiply(x, xs, y, ys, length);
      }
      case GATE_CLAMPED -> clamped(x, xs, y, ys, alpha, limit, length);
      case SOFTCAP -> softcap(x, xs, limit, length);
    }
  }

  private void activate(MemorySegment x, long xs, int length) {
    switch (activation) {
      case SILU -> silu(x, xs, length);
      case GELU -> gelu(x, xs, length);
      case GELU_ERF -> geluErf(x, xs, length);
      case GELU_QUICK -> geluQuick(x, xs, length);
      case RELU -> relu(x, xs, length);
      case RELU_SQUARED -> {
        relu(x, xs, length);
        multiply(x, xs, x, xs, length);
      }
      case SIGMOID -> sigmoid(x, xs, length);
    }
  }

  private static void silu(MemorySegment x, long xs, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      FloatVector v = load(x, xs, i);
      store(v.mul(VectorMath.sigmoid(v)), x, xs, i);
    }
  }

  private static void gelu(MemorySegment x, long xs, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      FloatVector v = load(x, xs, i);
      FloatVector inner = v.mul(v).mul(GELU_CUBE).add(1).mul(v).mul(GELU_FACTOR);
      store(v.mul(VectorMath.sigmoid(inner)), x, xs, i);
    }
  }

  private static void geluErf(MemorySegment x, long xs, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      store(VectorMath.geluErf(load(x, xs, i)), x, xs, i);
    }
  }

  private static void geluQuick(MemorySegment x, long xs, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      FloatVector v = load(x, xs, i);
      store(v.mul(VectorMath.sigmoid(v.mul(GELU_QUICK))), x, xs, i);
    }
  }

  private static void relu(MemorySegment x, long xs, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      store(load(x, xs, i).max(0), x, xs, i);
    }
  }

  private static void sigmoid(MemorySegment x, long xs, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      store(VectorMath.sigmoid(load(x, xs, i)), x, xs, i);
    }
  }

  private static void multiply(MemorySegment x, long xs, MemorySegment y, long ys, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      store(load(x, xs, i).mul(load(y, ys, i)), x, xs, i);
    }
  }

  private static void clamped(
      MemorySegment x, long xs, MemorySegment y, long ys, float alpha, float limit, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      FloatVector g = load(x, xs, i).min(limit);
      FloatVector u = load(y, ys, i).min(limit).max(-limit);
      store(g.mul(VectorMath.sigmoid(g.mul(alpha))).mul(u.add(1)), x, xs, i);
    }
  }

  private static void softcap(MemorySegment x, long xs, float cap, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      store(VectorMath.tanh(load(x, xs, i).div(cap)).mul(cap), x, xs, i);
    }
  }

  private static FloatVector load(MemorySegment x, long offset, int i) {
    return Lanes.floats(x, offset + (long) i * Float.BYTES);
  }

  private static void store(FloatVector value, MemorySegment x, long offset, int i) {
    value.intoMemorySegment(x, offset + (long) i * Float.BYTES, Lanes.ORDER);
  }
}
