package ai.realm.compute.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// One row of activations as the row kernels of [VectorKernel] read it: where it lies, and its sums
/// over runs of columns, which stand in for the offsets and mins of quantized weights.
final class Input {
  /// Where the row begins.
  long address;

  /// Sums over runs of 16 columns, zeros beyond them.
  float[] sums16 = new float[0];

  /// Sums over runs of 32 columns, zeros beyond them.
  float[] sums32 = new float[0];

  /// Points at a row and computes the sums that are asked for.
  void set(long address, int cols, boolean over16, boolean over32) {
    this.address = address;
    if (over16) {
      sums16 = room(sums16, cols / 16);
      sum(address, cols / 16, 16, sums16);
    }
    if (over32) {
      sums32 = room(sums32, cols / 32);
      sum(address, cols / 32, 32, sums32);
    }
  }

  private static float[] room(float[] sums, int count) {
    if (sums.length < count + Lanes.COUNT) {
      return new float[count + Lanes.COUNT];
    }
    Arrays.fill(sums, count, count + Lanes.COUNT, 0);
    return sums;
  }

  private static void sum(long address, int runs, int length, float[] sums) {
    for (int run = 0; run < runs; run++) {
      long from = address + (long) run * length * Float.BYTES;
      FloatVector sum = FloatVector.zero(Lanes.FLOATS);
      for (int i = 0; i < length; i += Lanes.COUNT) {
        sum =
            sum.add(
                FloatVector.fromMemorySegment(
                    Lanes.FLOATS, Lanes.MEMORY, from + (long) i * Float.BYTES, Lanes.ORDER));
      }
      sums[run] = sum.reduceLanes(VectorOperators.ADD);
    }
  }
}
