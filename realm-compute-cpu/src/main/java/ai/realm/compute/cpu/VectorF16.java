package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import java.lang.foreign.MemorySegment;

/// F16 weights. The conversion is a loop over arrays, because that is what C2 compiles to the machine's
/// own conversion instruction; the Vector API has no half floats in JDK 25.
final class VectorF16 extends FloatRows {
  VectorF16() {
    super(GgmlType.F16);
  }

  @Override
  void load(long address, int count, Scratch scratch) {
    short[] bits = scratch.shorts(count);
    MemorySegment.copy(Lanes.MEMORY, Lanes.SHORT, address, bits, 0, count);
    convert(bits, scratch.floats(count), count);
  }

  /// Converts `count` F16 numbers.
  static void convert(short[] from, float[] to, int count) {
    for (int i = 0; i < count; i++) {
      to[i] = Float.float16ToFloat(from[i]);
    }
  }
}
