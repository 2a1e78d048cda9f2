package ai.realm.compute.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Memory of one worker of the vector backend, reused from task to task. Arrays grow to the widest
/// matrix and stay, so that the token loop allocates nothing.
final class Scratch implements AutoCloseable {
  /// A panel of unpacked weights, `(VectorKernel.PANEL_COLUMNS, VectorKernel.PANEL_ROWS)`.
  final MemorySegment panel;

  /// Words of a block of each row, `(words, Lanes.COUNT)`.
  final int[] words = new int[64 * Lanes.COUNT];

  /// Quants of a sub-block of each row, 4 unsigned bytes to a lane.
  final int[] quants = new int[8 * Lanes.COUNT];

  /// Scales of a block of each row, `(scales, Lanes.COUNT)`.
  final float[] columnScales = new float[16 * Lanes.COUNT];

  /// What is added to each scaled quant, `(scales, Lanes.COUNT)`.
  final float[] columnBases = new float[16 * Lanes.COUNT];

  /// A tile of results where rows or inputs are fewer than a tile has.
  final MemorySegment tile;

  /// Addresses of panels that are multiplied side by side, and what comes out.
  final long[] panels = new long[Interleaved.STREAMS];

  final float[] group = new float[Interleaved.GROUP_ROWS];

  float[] floats = new float[0];
  float[] scales = new float[0];
  float[] bases = new float[0];
  private float[] mins = new float[0];
  private short[] shorts = new short[0];
  private final GrowingMemory bytes = new GrowingMemory();

  /// @param arena owns the memory of fixed size
  Scratch(Arena arena) {
    panel =
        arena.allocate(
            (long) VectorKernel.PANEL_COLUMNS * VectorKernel.PANEL_STRIDE, CpuBuffer.ALIGNMENT);
    tile = arena.allocate((long) Panels.TOKENS * VectorKernel.PANEL_STRIDE, CpuBuffer.ALIGNMENT);
  }

  /// Room for `count` weights.
  float[] floats(int count) {
    if (floats.length < count) {
      floats = new float[count];
    }
    return floats;
  }

  /// Room for `count` 16-bit numbers.
  short[] shorts(int count) {
    if (shorts.length < count) {
      shorts = new short[count];
    }
    return shorts;
  }

  /// Room for `count` scales.
  float[] scales(int count) {
    if (scales.length < count) {
      scales = new float[count];
    }
    return scales;
  }

  /// Room for `count` scales and as many bases.
  void scalesAndBases(int count) {
    scales(count);
    if (bases.length < count) {
      bases = new float[count];
    }
  }

  /// Room for `count` mins.
  float[] mins(int count) {
    if (mins.length < count) {
      mins = new float[count];
    }
    return mins;
  }

  /// Room for `count` bytes that are written one way and read another.
  MemorySegment bytes(int count) {
    return bytes.reserve(count);
  }

  /// Frees what grew.
  @Override
  public void close() {
    bytes.close();
  }
}
