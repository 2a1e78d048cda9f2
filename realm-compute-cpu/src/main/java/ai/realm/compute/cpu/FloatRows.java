package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// What the kernels share that unpack a row of weights into an array of floats first.
abstract class FloatRows extends VectorKernel {
  /// Columns that are scattered to a panel at a time: their lines of the panel stay in the first-level
  /// cache for all rows. A block of the largest quant types.
  private static final int RUN_COLUMNS = 256;

  private final GgmlType type;

  FloatRows(GgmlType type) {
    this.type = type;
  }

  /// Unpacks `count` weights at byte `offset` into `scratch.floats(count)`.
  abstract void load(long address, int count, Scratch scratch);

  @Override
  void multiply(
      long address,
      long rowBytes,
      int rows,
      int cols,
      Input x,
      Scratch scratch,
      MemorySegment out,
      long outOffset) {
    for (int r = 0; r < rows; r++) {
      load(address + r * rowBytes, cols, scratch);
      float dot = dot(scratch.floats, cols, x.address);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot);
    }
  }

  private static float dot(float[] row, int cols, long xs) {
    FloatVector a = FloatVector.zero(Lanes.FLOATS);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i + 4 * Lanes.COUNT <= cols; i += 4 * Lanes.COUNT) {
      long at = xs + (long) i * Float.BYTES;
      a =
          FloatVector.fromArray(Lanes.FLOATS, row, i)
              .fma(FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, at, Lanes.ORDER), a);
      b =
          FloatVector.fromArray(Lanes.FLOATS, row, i + Lanes.COUNT)
              .fma(
                  FloatVector.fromMemorySegment(
                      Lanes.FLOATS, Lanes.MEMORY, at + Lanes.BYTES, Lanes.ORDER),
                  b);
      c =
          FloatVector.fromArray(Lanes.FLOATS, row, i + 2 * Lanes.COUNT)
              .fma(
                  FloatVector.fromMemorySegment(
                      Lanes.FLOATS, Lanes.MEMORY, at + 2 * Lanes.BYTES, Lanes.ORDER),
                  c);
      d =
          FloatVector.fromArray(Lanes.FLOATS, row, i + 3 * Lanes.COUNT)
              .fma(
                  FloatVector.fromMemorySegment(
                      Lanes.FLOATS, Lanes.MEMORY, at + 3 * Lanes.BYTES, Lanes.ORDER),
                  d);
    }
    for (; i + Lanes.COUNT <= cols; i += Lanes.COUNT) {
      a =
          FloatVector.fromArray(Lanes.FLOATS, row, i)
              .fma(
                  FloatVector.fromMemorySegment(
                      Lanes.FLOATS, Lanes.MEMORY, xs + (long) i * Float.BYTES, Lanes.ORDER),
                  a);
    }
    float tail = 0;
    for (; i < cols; i++) {
      tail += row[i] * Lanes.MEMORY.get(Lanes.FLOAT, xs + (long) i * Float.BYTES);
    }
    return a.add(b).add(c.add(d)).reduceLanes(VectorOperators.ADD) + tail;
  }

  @Override
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    long bytes = type.byteSize(RUN_COLUMNS);
    for (int run = 0; run * RUN_COLUMNS < cols; run++) {
      int count = Math.min(RUN_COLUMNS, cols - run * RUN_COLUMNS);
      long to = panelOffset + (long) run * RUN_COLUMNS * PANEL_STRIDE;
      for (int r = 0; r < Lanes.COUNT; r++) {
        if (r < rows) {
          load(address + r * rowBytes + run * bytes, count, scratch);
        }
        scatter(scratch.floats, count, scratch.panel, to + (long) r * Float.BYTES);
      }
    }
  }

  private static void scatter(float[] row, int cols, MemorySegment panel, long to) {
    for (int k = 0; k < cols; k++) {
      panel.set(Lanes.FLOAT, to + (long) k * PANEL_STRIDE, row[k]);
    }
  }
}
