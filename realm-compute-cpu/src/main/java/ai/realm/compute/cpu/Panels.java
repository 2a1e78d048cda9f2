package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;

/// The inner loop of all matrix products with many inputs, prefill and attention: a panel of rows times
/// a few inputs, as sums of outer products. Lanes are rows, so nothing is summed across a vector, and
/// each weight vector is loaded once for 8 inputs.
///
/// ```
/// panel    (columns, 2 · lanes)     column k of two vectors' worth of rows
/// x        (columns, 8)             column k of 8 inputs, each broadcast from an array: reading a
///                                   segment takes the JIT compiler too many nodes to inline it all
/// out      (inputs, 2 · lanes)      rows outStride apart
/// ```
///
/// Two vectors of rows by 8 inputs is what 32 registers hold without spilling, and was the fastest of
/// the shapes tried: 75 to 80 % of the machine's multiply-add peak.
final class Panels {
  /// Inputs of a full tile.
  static final int TOKENS = 8;

  private Panels() {}

  /// `out (inputs, 2 · lanes) = or += x (inputs, columns) · panel`, with up to 8 inputs; fewer than 8
  /// compute, and write, 4 or 8 rows of `out`.
  static void multiply(
      int inputs,
      MemorySegment panel,
      long panelOffset,
      long panelStride,
      float[] x,
      int xOffset,
      int columns,
      MemorySegment out,
      long outOffset,
      long outStride,
      boolean accumulate) {
    if (!accumulate) {
      clear(out, outOffset, outStride, inputs > 4 ? TOKENS : 4);
    }
    if (columns == 0) {
      return;
    }
    int written = inputs > 4 ? TOKENS : 4;
    long from = address(panel, panelOffset, (columns - 1) * panelStride + 2L * Lanes.BYTES);
    long to = address(out, outOffset, (written - 1) * outStride + 2L * Lanes.BYTES);
    Objects.checkFromIndexSize(xOffset, columns * TOKENS, x.length);
    if (inputs > 4) {
      multiply8(from, panelStride, x, xOffset, columns, to, outStride);
    } else {
      multiply4(from, panelStride, x, xOffset, columns, to, outStride);
    }
  }

  /// Where bytes of off-heap memory lie, once it is checked that they are there.
  private static long address(MemorySegment memory, long offset, long bytes) {
    Objects.checkFromIndexSize(offset, bytes, memory.byteSize());
    return memory.address() + offset;
  }

  /// Zeroes a tile. The kernels always add: a choice between zeros and what is there would make the
  /// JIT compiler box the accumulators.
  private static void clear(MemorySegment out, long offset, long stride, int inputs) {
    FloatVector zero = FloatVector.zero(Lanes.FLOATS);
    for (int t = 0; t < inputs; t++) {
      long row = offset + t * stride;
      zero.intoMemorySegment(out, row, Lanes.ORDER);
      zero.intoMemorySegment(out, row + Lanes.BYTES, Lanes.ORDER);
    }
  }

  /// Packs rows of inputs for [#multiply]: `to[8 k + t] = from[t][k]`, zeros where there are fewer than
  /// 8.
  ///
  /// @param fromOffset byte of the first input's first column
  /// @param fromStride bytes from one input to the next
  static void pack(
      MemorySegment from,
      long fromOffset,
      long fromStride,
      int inputs,
      int columns,
      float[] to,
      int toIndex) {
    for (int t = 0; t < TOKENS; t++) {
      long in = fromOffset + t * fromStride;
      int out = toIndex + t;
      if (t < inputs) {
        for (int k = 0; k < columns; k++) {
          to[out + k * TOKENS] = from.get(Lanes.FLOAT, in + (long) k * Float.BYTES);
        }
      } else {
        for (int k = 0; k < columns; k++) {
          to[out + k * TOKENS] = 0;
        }
      }
    }
  }

  /// Adds 8 inputs. The accumulators are named by input and half of the row vector; they stay in registers.
  private static void multiply8(
      long panel, long panelStride, float[] x, int xOffset, int columns, long out, long outStride) {
    long from = out;
    FloatVector a0 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b0 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a1 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b1 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a2 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b2 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a3 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b3 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a4 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b4 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a5 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b5 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a6 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b6 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a7 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b7 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    for (int k = 0; k < columns; k++) {
      long w = panel + k * panelStride;
      FloatVector a = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, w, Lanes.ORDER);
      FloatVector b =
          FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, w + Lanes.BYTES, Lanes.ORDER);
      int i = xOffset + k * TOKENS;
      FloatVector y = FloatVector.broadcast(Lanes.FLOATS, x[i]);
      a0 = a.fma(y, a0);
      b0 = b.fma(y, b0);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 1]);
      a1 = a.fma(y, a1);
      b1 = b.fma(y, b1);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 2]);
      a2 = a.fma(y, a2);
      b2 = b.fma(y, b2);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 3]);
      a3 = a.fma(y, a3);
      b3 = b.fma(y, b3);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 4]);
      a4 = a.fma(y, a4);
      b4 = b.fma(y, b4);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 5]);
      a5 = a.fma(y, a5);
      b5 = b.fma(y, b5);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 6]);
      a6 = a.fma(y, a6);
      b6 = b.fma(y, b6);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 7]);
      a7 = a.fma(y, a7);
      b7 = b.fma(y, b7);
    }
    long to = out;
    a0.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b0.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a1.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b1.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a2.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b2.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a3.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b3.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a4.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b4.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a5.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b5.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a6.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b6.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a7.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b7.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
  }

  /// Adds 4 inputs. The accumulators are named by input and half of the row vector; they stay in registers.
  private static void multiply4(
      long panel, long panelStride, float[] x, int xOffset, int columns, long out, long outStride) {
    long from = out;
    FloatVector a0 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b0 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a1 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b1 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a2 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b2 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    from += outStride;
    FloatVector a3 = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from, Lanes.ORDER);
    FloatVector b3 =
        FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, from + Lanes.BYTES, Lanes.ORDER);
    for (int k = 0; k < columns; k++) {
      long w = panel + k * panelStride;
      FloatVector a = FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, w, Lanes.ORDER);
      FloatVector b =
          FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, w + Lanes.BYTES, Lanes.ORDER);
      int i = xOffset + k * TOKENS;
      FloatVector y = FloatVector.broadcast(Lanes.FLOATS, x[i]);
      a0 = a.fma(y, a0);
      b0 = b.fma(y, b0);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 1]);
      a1 = a.fma(y, a1);
      b1 = b.fma(y, b1);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 2]);
      a2 = a.fma(y, a2);
      b2 = b.fma(y, b2);
      y = FloatVector.broadcast(Lanes.FLOATS, x[i + 3]);
      a3 = a.fma(y, a3);
      b3 = b.fma(y, b3);
    }
    long to = out;
    a0.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b0.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a1.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b1.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a2.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b2.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
    to += outStride;
    a3.intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    b3.intoMemorySegment(Lanes.MEMORY, to + Lanes.BYTES, Lanes.ORDER);
  }
}
