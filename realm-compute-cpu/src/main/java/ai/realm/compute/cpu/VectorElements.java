package ai.realm.compute.cpu;

import ai.realm.compute.Activation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Non-linear functions over runs of floats, shared out over the worker pool where there are many. Each
/// is a few passes over a chunk that stays in the first-level cache; see [Lanes] for why.
/// Used by one thread at a time.
final class VectorElements {
  /// Floats below which plain loops are taken.
  private static final long SMALL_BELOW = 1 << 15;

  /// Floats below which waking the workers costs more than it saves.
  private static final long ALONE_BELOW = 1 << 11;

  /// Floats of one chunk; a multiple of a vector.
  private static final int CHUNK = 1 << 10;

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
  private final boolean plainWhenSmall;
  private final WorkerPool.Task task = this::chunk;

  /// Exponents of a chunk, for each worker.
  private final MemorySegment[] exponents;

  /// The floats after the last whole vector, one vector of `x` and one of `y`: passes know no tails.
  private final MemorySegment tail;

  private Function function = Function.ACTIVATE;
  private Activation activation = Activation.SILU;
  private MemorySegment x = MemorySegment.NULL;
  private MemorySegment y = MemorySegment.NULL;
  private long count;
  private float alpha;
  private float limit;

  /// @param arena owns scratch memory
  VectorElements(WorkerPool pool, Arena arena, boolean plainWhenSmall) {
    this.plainWhenSmall = plainWhenSmall;
    this.pool = pool;
    tail = arena.allocate(2L * Lanes.BYTES, CpuBuffer.ALIGNMENT);
    exponents = new MemorySegment[pool.threads()];
    for (int i = 0; i < exponents.length; i++) {
      exponents[i] = arena.allocate((long) CHUNK * Float.BYTES, CpuBuffer.ALIGNMENT);
    }
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
    if (plainWhenSmall && count < SMALL_BELOW) {
      small(from, from + length);
      return;
    }
    int whole = Lanes.FLOATS.loopBound(length);
    span(x, from * Float.BYTES, y, from * Float.BYTES, whole, exponents[worker]);
    if (whole < length) {
      long at = (from + whole) * Float.BYTES;
      long bytes = (long) (length - whole) * Float.BYTES;
      MemorySegment.copy(x, at, tail, 0, bytes);
      MemorySegment.copy(y, at, tail, Lanes.BYTES, bytes);
      span(tail, 0, tail, Lanes.BYTES, Lanes.COUNT, exponents[worker]);
      MemorySegment.copy(tail, 0, x, at, bytes);
    }
  }

  private void small(long from, long to) {
    switch (function) {
      case ACTIVATE -> SmallFunctions.activate(activation, x, y, false, from, to);
      case GATE -> SmallFunctions.activate(activation, x, y, true, from, to);
      case GATE_CLAMPED -> SmallFunctions.gateClamped(x, y, alpha, limit, from, to);
      case SOFTCAP -> SmallFunctions.softcap(x, limit, from, to);
    }
  }

  private void span(
      MemorySegment x, long xs, MemorySegment y, long ys, int length, MemorySegment t) {
    switch (function) {
      case ACTIVATE -> activate(x, xs, length, t);
      case GATE -> {
        activate(x, xs, length, t);
        multiply(x, xs, y, ys, length);
      }
      case GATE_CLAMPED -> {
        clampGate(x, xs, limit, length);
        scale(x, xs, -alpha, t, length);
        VectorMath.exp(t, 0, length);
        timesSigmoid(x, xs, t, length);
        timesOnePlusClamped(x, xs, y, ys, limit, length);
      }
      case SOFTCAP -> {
        scale(x, xs, 1 / limit, x, xs, length);
        VectorMath.tanh(x, xs, length, t);
        scale(x, xs, limit, x, xs, length);
      }
    }
  }

  private void activate(MemorySegment x, long xs, int length, MemorySegment t) {
    switch (activation) {
      case SILU -> {
        scale(x, xs, -1, t, length);
        VectorMath.exp(t, 0, length);
        timesSigmoid(x, xs, t, length);
      }
      case GELU -> {
        geluExponent(x, xs, t, length);
        VectorMath.exp(t, 0, length);
        timesSigmoid(x, xs, t, length);
      }
      case GELU_QUICK -> {
        scale(x, xs, -GELU_QUICK, t, length);
        VectorMath.exp(t, 0, length);
        timesSigmoid(x, xs, t, length);
      }
      case GELU_ERF -> {
        halfSquares(x, xs, t, length);
        VectorMath.exp(t, 0, length);
        timesNormal(x, xs, t, length);
      }
      case RELU -> relu(x, xs, length);
      case RELU_SQUARED -> {
        relu(x, xs, length);
        multiply(x, xs, x, xs, length);
      }
      case SIGMOID -> {
        scale(x, xs, -1, t, length);
        VectorMath.exp(t, 0, length);
        sigmoid(t, x, xs, length);
      }
    }
  }

  /// `t = factor · x`.
  private static void scale(MemorySegment x, long xs, float factor, MemorySegment t, int length) {
    scale(x, xs, factor, t, 0, length);
  }

  private static void scale(
      MemorySegment x, long xs, float factor, MemorySegment t, long ts, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector.fromMemorySegment(Lanes.FLOATS, x, xs + at, Lanes.ORDER)
          .mul(factor)
          .intoMemorySegment(t, ts + at, Lanes.ORDER);
    }
  }

  /// `t = −2 · sqrt(2/π) · (x + 0.044715 x³)`.
  private static void geluExponent(MemorySegment x, long xs, MemorySegment t, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Lanes.FLOATS, x, xs + at, Lanes.ORDER);
      v.mul(v).mul(GELU_CUBE).add(1).mul(v).mul(-GELU_FACTOR).intoMemorySegment(t, at, Lanes.ORDER);
    }
  }

  /// `t = −x² / 2`.
  private static void halfSquares(MemorySegment x, long xs, MemorySegment t, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Lanes.FLOATS, x, xs + at, Lanes.ORDER);
      v.mul(v).mul(-0.5f).intoMemorySegment(t, at, Lanes.ORDER);
    }
  }

  /// `x = x / (1 + t)`: with t = e^−u, x · sigmoid(u).
  private static void timesSigmoid(MemorySegment x, long xs, MemorySegment t, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector e = FloatVector.fromMemorySegment(Lanes.FLOATS, t, at, Lanes.ORDER);
      FloatVector.fromMemorySegment(Lanes.FLOATS, x, xs + at, Lanes.ORDER)
          .div(e.add(1))
          .intoMemorySegment(x, xs + at, Lanes.ORDER);
    }
  }

  /// `x = 1 / (1 + t)`.
  private static void sigmoid(MemorySegment t, MemorySegment x, long xs, int length) {
    FloatVector one = FloatVector.broadcast(Lanes.FLOATS, 1);
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector e = FloatVector.fromMemorySegment(Lanes.FLOATS, t, at, Lanes.ORDER);
      one.div(e.add(1)).intoMemorySegment(x, xs + at, Lanes.ORDER);
    }
  }

  /// `x = x · Φ(x)` with t = e^(−x²/2). Φ comes from the complementary error function, which keeps its
  /// digits where it is small: Abramowitz and Stegun 7.1.26.
  private static void timesNormal(MemorySegment x, long xs, MemorySegment t, int length) {
    FloatVector one = FloatVector.broadcast(Lanes.FLOATS, 1);
    FloatVector a1 = FloatVector.broadcast(Lanes.FLOATS, 0.254829592f);
    FloatVector a2 = FloatVector.broadcast(Lanes.FLOATS, -0.284496736f);
    FloatVector a3 = FloatVector.broadcast(Lanes.FLOATS, 1.421413741f);
    FloatVector a4 = FloatVector.broadcast(Lanes.FLOATS, -1.453152027f);
    FloatVector a5 = FloatVector.broadcast(Lanes.FLOATS, 1.061405429f);
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Lanes.FLOATS, x, xs + at, Lanes.ORDER);
      FloatVector e = FloatVector.fromMemorySegment(Lanes.FLOATS, t, at, Lanes.ORDER);
      FloatVector z = v.abs().mul((float) Math.sqrt(0.5));
      FloatVector s = one.div(z.mul(0.3275911f).add(one));
      FloatVector p = a5.fma(s, a4).fma(s, a3).fma(s, a2).fma(s, a1);
      FloatVector half = p.mul(s).mul(e).mul(0.5f);
      one.sub(half)
          .blend(half, v.compare(VectorOperators.LT, 0))
          .mul(v)
          .intoMemorySegment(x, xs + at, Lanes.ORDER);
    }
  }

  private static void relu(MemorySegment x, long xs, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = xs + (long) i * Float.BYTES;
      FloatVector.fromMemorySegment(Lanes.FLOATS, x, at, Lanes.ORDER)
          .max(0)
          .intoMemorySegment(x, at, Lanes.ORDER);
    }
  }

  private static void multiply(MemorySegment x, long xs, MemorySegment y, long ys, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Lanes.FLOATS, y, ys + at, Lanes.ORDER);
      FloatVector.fromMemorySegment(Lanes.FLOATS, x, xs + at, Lanes.ORDER)
          .mul(v)
          .intoMemorySegment(x, xs + at, Lanes.ORDER);
    }
  }

  private static void clampGate(MemorySegment x, long xs, float limit, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = xs + (long) i * Float.BYTES;
      FloatVector.fromMemorySegment(Lanes.FLOATS, x, at, Lanes.ORDER)
          .min(limit)
          .intoMemorySegment(x, at, Lanes.ORDER);
    }
  }

  /// `x = x · (1 + clamp(y))`.
  private static void timesOnePlusClamped(
      MemorySegment x, long xs, MemorySegment y, long ys, float limit, int length) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      FloatVector u =
          FloatVector.fromMemorySegment(Lanes.FLOATS, y, ys + at, Lanes.ORDER)
              .min(limit)
              .max(-limit)
              .add(1);
      FloatVector.fromMemorySegment(Lanes.FLOATS, x, xs + at, Lanes.ORDER)
          .mul(u)
          .intoMemorySegment(x, xs + at, Lanes.ORDER);
    }
  }
}
