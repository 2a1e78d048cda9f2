package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// BF16 weights: the high halves of floats.
final class VectorBF16 extends FloatRows {
  VectorBF16() {
    super(GgmlType.BF16);
  }

  @Override
  void load(long address, int count, Scratch scratch) {
    float[] to = scratch.floats(count);
    int whole = Lanes.FLOATS.loopBound(count);
    for (int i = 0; i < whole; i += Lanes.COUNT) {
      ((IntVector)
              ShortVector.fromMemorySegment(
                      Lanes.HALVES, Lanes.MEMORY, address + (long) i * Short.BYTES, Lanes.ORDER)
                  .convertShape(VectorOperators.ZERO_EXTEND_S2I, Lanes.INTS, 0))
          .lanewise(VectorOperators.LSHL, 16)
          .reinterpretAsFloats()
          .intoArray(to, i);
    }
    for (int i = whole; i < count; i++) {
      to[i] =
          Float.intBitsToFloat(
              Lanes.MEMORY.get(Lanes.SHORT, address + (long) i * Short.BYTES) << 16);
    }
  }
}
