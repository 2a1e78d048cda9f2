package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// One row of activations as the row kernels of [VectorKernel] read it: where it lies, and its sums
/// over runs of columns, which stand in for the offsets and mins of quantized weights.
final class Input {
  MemorySegment memory = MemorySegment.NULL;

  /// Byte at which the row begins.
  long offset;

  /// Sums over runs of 16 columns, zeros beyond them.
  float[] sums16 = new float[0];

  /// Sums over runs of 32 columns, zeros beyond them.
  float[] sums32 = new float[0];

  /// Points at a row and computes the sums that are asked for.
  void set(MemorySegment memory, long offset, int cols, boolean over16, boolean over32) {
    this.memory = memory;
    this.offset = offset;
    if (over16) {
      sums16 = room(sums16, cols / 16);
      sum(memory, offset, cols / 16, 16, sums16);
    }
    if (over32) {
      sums32 = room(sums32, cols / 32);
      sum(memory, offset, cols / 32, 32, sums32);
    }
  }

  private static float[] room(float[] sums, int count) {
    if (sums.length < count + Lanes.COUNT) {
      return new float[count + Lanes.COUNT];
    }
    Arrays.fill(sums, count, count + Lanes.COUNT, 0);
    return sums;
  }

  private static void sum(MemorySegment x, long offset, int runs, int length, float[] sums) {
    for (int run = 0; run < runs; run++) {
      long from = offset + (long) run * length * Float.BYTES;
      FloatVector sum = FloatVector.zero(Lanes.FLOATS);
      for (int i = 0; i < length; i += Lanes.COUNT) {
        sum =
            sum.add(
                FloatVector.fromMemorySegment(
                    Lanes.FLOATS, x, from + (long) i * Float.BYTES, Lanes.ORDER));
      }
      sums[run] = sum.reduceLanes(VectorOperators.ADD);
    }
  }
}
