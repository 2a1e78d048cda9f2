package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;

/// BF16 weights: the high halves of floats.
final class VectorBF16 extends FloatRows {
  @Override
  void load(MemorySegment w, long offset, int count, Scratch scratch) {
    short[] bits = scratch.shorts(count);
    MemorySegment.copy(w, Lanes.SHORT, offset, bits, 0, count);
    convert(bits, scratch.floats(count), count);
  }

  private static void convert(short[] from, float[] to, int count) {
    for (int i = 0; i < count; i++) {
      to[i] = Float.intBitsToFloat(from[i] << 16);
    }
  }
}
