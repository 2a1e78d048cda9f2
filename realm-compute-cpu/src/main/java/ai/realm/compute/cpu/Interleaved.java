package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Weights of one type rearranged for the vector backend: panels of a vector's worth of rows, in which a
/// line holds the same column, or columns, of each row. Lanes are then rows: nothing is summed across a
/// vector, scales are vectors, and prefill has nothing to transpose.
///
/// ```
/// panel     heads of all blocks | quants of all blocks, a line of Lanes.COUNT bytes after the other
/// heads     F16 scales, and what else a type has, as `heads` of each class says
/// ```
///
/// Decoding reads [#STREAMS] panels at once. Java has no prefetch instruction; the hardware's prefetchers
/// follow each page that is read in order, so four streams fetch four times as far ahead as one: 36 to 56
/// GB/s of Q8_0, 27 to 37 of Q4_0 with four threads, where the rows of the file one after the other reach
/// 35 and 27 (2026-11-23, Xeon with AVX-512).
abstract class Interleaved {
  /// Panels that are multiplied side by side.
  static final int STREAMS = 4;

  /// Rows of so many panels.
  static final int GROUP_ROWS = STREAMS * Lanes.COUNT;

  private static final long ALIGNMENT = 64;

  /// Bytes of the heads of `cols` columns of a panel.
  abstract long headBytes(int cols);

  /// Bytes of the quants of `cols` columns of a panel.
  abstract long quantBytes(int cols);

  /// Writes a row's block of 256 columns, or of the type's own block where that is smaller, to a panel.
  ///
  /// @param offset where the block begins in the file's layout
  /// @param head address of the block's heads
  /// @param quants address of the block's quants
  /// @param lane the row's place in the panel
  abstract void packBlock(MemorySegment from, long offset, long head, long quants, int lane);

  /// Columns of what [#packBlock] takes.
  abstract int blockColumns();

  /// Unpacks the heads of [#STREAMS] panels into the scratch memory, for [#multiply].
  ///
  /// @param panels addresses of the panels; one may be there several times
  abstract void unpackHeads(long[] panels, int cols, Scratch scratch);

  /// `out[s · lanes + r] = row r of panel s · x`, for the panels whose heads were unpacked last.
  abstract void multiply(long[] panels, int cols, Input x, Scratch scratch, float[] out);

  /// Writes columns [col, col + count) to the floats of [Panels], as [VectorKernel#expand] does.
  abstract void expand(long panel, int cols, int col, int count, Scratch scratch, long panelOffset);

  /// Bytes from one panel of `cols` columns to the next.
  final long panelBytes(int cols) {
    return align(headBytes(cols)) + align(quantBytes(cols));
  }

  /// Where the quants of a panel begin, from its first byte.
  static long align(long bytes) {
    return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
  }

  /// Rearranges up to a vector's worth of rows; lanes beyond them stay zero.
  ///
  /// @param from the first row in the file's layout
  /// @param to address of the panel, zeroed
  final void pack(MemorySegment from, long rowBytes, int rows, int cols, long to) {
    int columns = blockColumns();
    int blocks = cols / columns;
    long bytes = rowBytes / blocks;
    long heads = headBytes(columns);
    long quants = quantBytes(columns);
    long first = to + align(headBytes(cols));
    for (int r = 0; r < rows; r++) {
      for (int b = 0; b < blocks; b++) {
        packBlock(from, r * rowBytes + b * bytes, to + b * heads, first + b * quants, r);
      }
    }
  }

  static void put(long address, int value) {
    Lanes.MEMORY.set(ValueLayout.JAVA_BYTE, address, (byte) value);
  }

  static void putHalf(long address, MemorySegment from, long offset) {
    Lanes.MEMORY.set(Lanes.SHORT, address, from.get(Lanes.SHORT, offset));
  }

  static int get(MemorySegment from, long offset) {
    return from.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
  }

  /// Converts `count` F16 numbers; loops over arrays are what C2 compiles to the machine's conversion.
  static void halves(long from, short[] bits, float[] to, int at, int count) {
    MemorySegment.copy(Lanes.MEMORY, Lanes.SHORT, from, bits, 0, count);
    for (int i = 0; i < count; i++) {
      to[at + i] = Float.float16ToFloat(bits[i]);
    }
  }
}
