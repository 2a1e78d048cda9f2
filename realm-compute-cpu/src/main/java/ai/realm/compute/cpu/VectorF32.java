package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;

/// F32 weights.
final class VectorF32 extends FloatRows {
  @Override
  void load(MemorySegment w, long offset, int count, Scratch scratch) {
    MemorySegment.copy(w, Lanes.FLOAT, offset, scratch.floats(count), 0, count);
  }
}
