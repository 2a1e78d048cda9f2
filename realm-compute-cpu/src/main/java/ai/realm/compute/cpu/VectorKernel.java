package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/// How the vector backend computes with weights of one type, as they lie in the file. Two ways:
///
/// - [#multiply] runs along each row for one input at a time: decode. The weights are unpacked in
///   registers and never stored.
/// - [#expand] unpacks [Lanes#COUNT] rows of up to [#PANEL_COLUMNS] weights into floats, transposed so
///   that lanes are rows; [Panels] then multiplies them with many inputs at once: prefill.
///
/// Both keep weights and activations in float32; nothing is rounded but by float arithmetic. Kernels
/// are stateless; scratch memory belongs to the worker.
abstract class VectorKernel {
  /// Most columns of one panel; a multiple of every block size.
  static final int PANEL_COLUMNS = 512;

  /// Rows of one panel: two vectors.
  static final int PANEL_ROWS = 2 * Lanes.COUNT;

  /// Bytes from one column of a panel to the next.
  static final int PANEL_STRIDE = 2 * Lanes.BYTES;

  /// Whether kernels that read along rows can be used: they need 8 floats to a vector, because
  /// there is no vector of 4 bytes to widen.
  static final boolean READS_ROWS = Lanes.COUNT >= 8;

  private static final VectorKernel[] KERNELS = kernels();

  /// The kernel for a type; types without one of their own go through dequantized rows.
  static VectorKernel of(GgmlType type) {
    return KERNELS[type.ordinal()];
  }

  private static VectorKernel[] kernels() {
    GgmlType[] types = GgmlType.values();
    VectorKernel[] kernels = new VectorKernel[types.length];
    for (GgmlType type : types) {
      kernels[type.ordinal()] =
          switch (type) {
            case F32 -> new VectorF32();
            case BF16 -> new VectorBF16();
            case F16 -> new VectorF16();
            case Q8_0 -> new VectorQ8_0();
            case Q4_0 -> new VectorQ4_0();
            case Q4_K -> new VectorQ4_K();
            case Q5_K -> new VectorQ5_K();
            case Q6_K -> new VectorQ6_K();
            case Q4_1, Q5_0, Q5_1 -> new VectorLegacy(type);
            case Q2_K -> new VectorQ2_K();
            case Q3_K -> new VectorQ3_K();
            case IQ4_NL, IQ4_XS, MXFP4 -> VectorCodebook.of(type);
            case IQ2_XXS,
                IQ2_XS,
                IQ3_XXS,
                IQ1_S,
                IQ3_S,
                IQ2_S,
                I8,
                I16,
                I32,
                I64,
                F64,
                IQ1_M,
                TQ1_0,
                TQ2_0,
                NVFP4,
                Q1_0,
                Q2_0 ->
                new VectorDequantized(type);
          };
    }
    return kernels;
  }

  /// Whether this type is unpacked in vector registers, rather than row by row by its codec.
  boolean isFast() {
    return true;
  }

  /// Whether [#multiply] is the way to decode; otherwise decode goes through panels too.
  boolean readsRows() {
    return READS_ROWS;
  }

  /// How weights of the type are rearranged for [Interleaved#multiply], which wants the same sums of the
  /// input; null where they stay as they are in the file.
  @Nullable Interleaved interleaved() {
    return null;
  }

  /// Over how many columns, 16 or 32, [#multiply] wants sums of the input; 0 for none.
  int sumLength() {
    return 0;
  }

  /// `out[r] = row r · x` for r < rows.
  ///
  /// @param w the weights
  /// @param address byte at which the first row begins
  /// @param rowBytes bytes from one row to the next
  /// @param cols weights of a row
  /// @param x the input
  abstract void multiply(
      long address,
      long rowBytes,
      int rows,
      int cols,
      Input x,
      Scratch scratch,
      MemorySegment out,
      long outOffset);

  /// Writes `cols` columns of a vector's worth of rows to a panel: lane r of the vector at
  /// `panelOffset + k * PANEL_STRIDE` becomes weight k of row r. Rows beyond `rows` repeat the last.
  ///
  /// @param address byte at which the block of the first row's first column begins
  /// @param rows rows there are, 1 to [Lanes#COUNT] count
  /// @param cols a multiple of the block size, up to [#PANEL_COLUMNS]
  abstract void expand(
      long address, long rowBytes, int rows, int cols, Scratch scratch, long panelOffset);

  /// Gathers `count` ints at `address` of each row: lane r of vector `toWord + j` of `words` becomes word
  /// j of row r. Transposing before unpacking, at the quantized size, is what makes panels cheap.
  static void transpose(long address, long rowBytes, int rows, int count, int[] words, int toWord) {
    for (int r = 0; r < Lanes.COUNT; r++) {
      long from = address + Math.min(r, rows - 1) * rowBytes;
      int to = toWord * Lanes.COUNT + r;
      for (int j = 0; j < count; j++) {
        words[to + j * Lanes.COUNT] = Lanes.MEMORY.get(Lanes.INT, from + 4L * j);
      }
    }
  }

  /// Gathers an F16 scale at `address` of each row, and what the quants' offset comes to.
  static void transposeScale(
      long address, long rowBytes, int rows, int quantOffset, float[] scales, float[] bases) {
    for (int r = 0; r < Lanes.COUNT; r++) {
      float scale = Lanes.half(Lanes.MEMORY, address + Math.min(r, rows - 1) * rowBytes);
      scales[r] = scale;
      bases[r] = -quantOffset * scale;
    }
  }

  /// Writes quants to columns of a panel as `scale · quant + base`: 4 columns for each vector of
  /// `words`, whose lanes hold 4 unsigned bytes each.
  ///
  /// @param from index of the first word
  /// @param count vectors of words
  /// @param at index of the scale and base of the first row
  static void columns(
      int[] words,
      int from,
      int count,
      float[] scales,
      float[] bases,
      int at,
      MemorySegment panel,
      long to) {
    FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, scales, at);
    FloatVector base = FloatVector.fromArray(Lanes.FLOATS, bases, at);
    for (int j = 0; j < count; j++) {
      IntVector word = IntVector.fromArray(Lanes.INTS, words, from + j * Lanes.COUNT);
      long column = to + 4L * j * PANEL_STRIDE;
      ((FloatVector) word.and(255).convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
          .fma(scale, base)
          .intoMemorySegment(panel, column, Lanes.ORDER);
      ((FloatVector)
              word.lanewise(VectorOperators.LSHR, 8)
                  .and(255)
                  .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
          .fma(scale, base)
          .intoMemorySegment(panel, column + PANEL_STRIDE, Lanes.ORDER);
      ((FloatVector)
              word.lanewise(VectorOperators.LSHR, 16)
                  .and(255)
                  .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
          .fma(scale, base)
          .intoMemorySegment(panel, column + 2 * PANEL_STRIDE, Lanes.ORDER);
      ((FloatVector)
              word.lanewise(VectorOperators.LSHR, 24)
                  .convertShape(VectorOperators.I2F, Lanes.FLOATS, 0))
          .fma(scale, base)
          .intoMemorySegment(panel, column + 3 * PANEL_STRIDE, Lanes.ORDER);
    }
  }

  /// Takes the same bits of each byte: `to[j] = from[j] >>> shift & mask`.
  static void take(int[] words, int from, int count, int shift, int mask, int[] to) {
    for (int j = 0; j < count * Lanes.COUNT; j += Lanes.COUNT) {
      IntVector.fromArray(Lanes.INTS, words, from + j)
          .lanewise(VectorOperators.LSHR, shift)
          .and(mask)
          .intoArray(to, j);
    }
  }

  /// Adds bits to what [#take] took: `to[j] |= (from[j] >>> shift & mask) << left`.
  static void addBits(int[] words, int from, int count, int shift, int mask, int left, int[] to) {
    for (int j = 0; j < count * Lanes.COUNT; j += Lanes.COUNT) {
      IntVector.fromArray(Lanes.INTS, words, from + j)
          .lanewise(VectorOperators.LSHR, shift)
          .and(mask)
          .lanewise(VectorOperators.LSHL, left)
          .or(IntVector.fromArray(Lanes.INTS, to, j))
          .intoArray(to, j);
    }
  }
}
