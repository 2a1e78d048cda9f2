package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// F32 weights.
final class VectorF32 extends FloatRows {
  VectorF32() {
    super(GgmlType.F32);
  }

  @Override
  void load(long address, int count, Scratch scratch) {
    MemorySegment.copy(Lanes.MEMORY, Lanes.FLOAT, address, scratch.floats(count), 0, count);
  }

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
      float dot = dot(address + r * rowBytes, cols, x.address);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot);
    }
  }

  private static float dot(long row, int cols, long xs) {
    FloatVector a = FloatVector.zero(Lanes.FLOATS);
    FloatVector b = a;
    int i = 0;
    for (; i + 2 * Lanes.COUNT <= cols; i += 2 * Lanes.COUNT) {
      long at = (long) i * Float.BYTES;
      a =
          FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, row + at, Lanes.ORDER)
              .fma(
                  FloatVector.fromMemorySegment(Lanes.FLOATS, Lanes.MEMORY, xs + at, Lanes.ORDER),
                  a);
      b =
          FloatVector.fromMemorySegment(
                  Lanes.FLOATS, Lanes.MEMORY, row + at + Lanes.BYTES, Lanes.ORDER)
              .fma(
                  FloatVector.fromMemorySegment(
                      Lanes.FLOATS, Lanes.MEMORY, xs + at + Lanes.BYTES, Lanes.ORDER),
                  b);
    }
    float tail = 0;
    for (; i < cols; i++) {
      long at = (long) i * Float.BYTES;
      tail += Lanes.MEMORY.get(Lanes.FLOAT, row + at) * Lanes.MEMORY.get(Lanes.FLOAT, xs + at);
    }
    return a.add(b).reduceLanes(VectorOperators.ADD) + tail;
  }
}
