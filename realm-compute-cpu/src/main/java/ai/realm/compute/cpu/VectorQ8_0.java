package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Q8_0: 32 weights in 34 bytes, an F16 scale and 32 signed bytes. See `block_q8_0` in ggml-common.h.
final class VectorQ8_0 extends VectorKernel {
  private static final int WEIGHTS = 32;
  private static final int BYTES = 34;
  private static final int QUANTS = 2;

  @Override
  void multiply(
      MemorySegment w,
      long offset,
      long rowBytes,
      int rows,
      int cols,
      Input x,
      Scratch scratch,
      MemorySegment out,
      long outOffset) {
    for (int r = 0; r < rows; r++) {
      float dot = row(w, offset + r * rowBytes, cols / WEIGHTS, x.memory, x.offset);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot);
    }
  }

  private static float row(MemorySegment w, long offset, int blocks, MemorySegment x, long xs) {
    FloatVector sum = FloatVector.zero(Lanes.FLOATS);
    for (int b = 0; b < blocks; b++) {
      long block = offset + (long) b * BYTES;
      long in = xs + (long) b * WEIGHTS * Float.BYTES;
      FloatVector dot = FloatVector.zero(Lanes.FLOATS);
      for (int i = 0; i < WEIGHTS; i += Lanes.COUNT) {
        dot =
            Lanes.signedBytes(w, block + QUANTS + i)
                .fma(Lanes.floats(x, in + (long) i * Float.BYTES), dot);
      }
      sum = dot.fma(FloatVector.broadcast(Lanes.FLOATS, Lanes.half(w, block)), sum);
    }
    return Lanes.sum(sum);
  }

  /// Unpacks `count` weights at byte `offset`: rows of a Q8_0 KV cache.
  static void load(MemorySegment w, long offset, float[] to, int count) {
    for (int b = 0; b < count / WEIGHTS; b++) {
      long block = offset + (long) b * BYTES;
      float scale = Lanes.half(w, block);
      for (int i = 0; i < WEIGHTS; i++) {
        to[b * WEIGHTS + i] = scale * w.get(ValueLayout.JAVA_BYTE, block + QUANTS + i);
      }
    }
  }

  @Override
  void expand(
      MemorySegment w,
      long offset,
      long rowBytes,
      int rows,
      int cols,
      Scratch scratch,
      long panelOffset) {
    int[] words = scratch.words;
    float[] scale = scratch.columnScales;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      long block = offset + (long) b * BYTES;
      transposeHalf(w, block, rowBytes, rows, scale, 0);
      transpose(w, block + QUANTS, rowBytes, rows, WEIGHTS / 4, words, 0);
      unpack(words, scale, scratch.panel, panelOffset + (long) b * WEIGHTS * PANEL_STRIDE);
    }
  }

  private static void unpack(int[] words, float[] scales, MemorySegment panel, long to) {
    FloatVector scale = Lanes.floats(scales, 0);
    FloatVector zero = FloatVector.zero(Lanes.FLOATS);
    for (int j = 0; j < WEIGHTS / 4; j++) {
      IntVector word = Lanes.ints(words, j * Lanes.COUNT);
      long at = to + 4L * j * PANEL_STRIDE;
      put(signed(word.lanewise(VectorOperators.LSHL, 24)), scale, zero, panel, at);
      put(signed(word.lanewise(VectorOperators.LSHL, 16)), scale, zero, panel, at + PANEL_STRIDE);
      put(
          signed(word.lanewise(VectorOperators.LSHL, 8)),
          scale,
          zero,
          panel,
          at + 2 * PANEL_STRIDE);
      put(signed(word), scale, zero, panel, at + 3 * PANEL_STRIDE);
    }
  }

  /// The signed byte at the top of each lane.
  private static IntVector signed(IntVector word) {
    return word.lanewise(VectorOperators.ASHR, 24);
  }
}
