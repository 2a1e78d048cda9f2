package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Q8_0: 32 weights in 34 bytes, an F16 scale and 32 signed bytes. See `block_q8_0` in ggml-common.h.
final class VectorQ8_0 extends VectorKernel {
  private static final int WEIGHTS = 32;
  private static final int BYTES = 34;
  private static final int QUANTS = 2;

  @Override
  Interleaved interleaved() {
    return new InterleavedBytes();
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
      float dot = row(address + r * rowBytes, cols / WEIGHTS, x.address);
      out.set(Lanes.FLOAT, outOffset + (long) r * Float.BYTES, dot);
    }
  }

  private static float row(long address, int blocks, long xs) {
    FloatVector sum = FloatVector.zero(Lanes.FLOATS);
    for (int b = 0; b < blocks; b++) {
      long block = address + (long) b * BYTES;
      long in = xs + (long) b * WEIGHTS * Float.BYTES;
      FloatVector dot = FloatVector.zero(Lanes.FLOATS);
      for (int i = 0; i < WEIGHTS; i += Lanes.COUNT) {
        dot =
            ((FloatVector)
                    ByteVector.fromMemorySegment(
                            Lanes.QUANTS, Lanes.MEMORY, block + QUANTS + i, Lanes.ORDER)
                        .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
                .fma(
                    FloatVector.fromMemorySegment(
                        Lanes.FLOATS, Lanes.MEMORY, in + (long) i * Float.BYTES, Lanes.ORDER),
                    dot);
      }
      sum = dot.fma(FloatVector.broadcast(Lanes.FLOATS, Lanes.half(Lanes.MEMORY, block)), sum);
    }
    return sum.reduceLanes(VectorOperators.ADD);
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
  void expand(long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset) {
    int[] words = scratch.words;
    float[] scales = scratch.columnScales;
    float[] bases = scratch.columnBases;
    for (int b = 0; b < cols / WEIGHTS; b++) {
      long block = address + (long) b * BYTES;
      transposeScale(block, rowBytes, rows, 128, scales, bases);
      transpose(block + QUANTS, rowBytes, rows, WEIGHTS / 4, words, 0);
      unsign(words);
      long to = panelOffset + (long) b * WEIGHTS * PANEL_STRIDE;
      columns(words, 0, WEIGHTS / 4, scales, bases, 0, scratch.panel, to);
    }
  }

  /// Adds 128 to each signed byte.
  private static void unsign(int[] words) {
    for (int j = 0; j < WEIGHTS / 4 * Lanes.COUNT; j++) {
      words[j] ^= 0x80808080;
    }
  }
}
