package ai.realm.quantize;

import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A few encoded rows of a tensor.
///
/// @param bytes the rows in their new type
/// @param weights how many weights they hold
@SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
record RowChunk(byte[] bytes, long weights) {
  /// Encodes rows `from` to `from + rows`.
  ///
  /// @param columns importances, those of these rows from index `at` on
  static RowChunk encode(
      Tensor tensor, GgmlType type, long from, long rows, float @Nullable [] columns, int at) {
    int cols = Math.toIntExact(tensor.shape().cols());
    BlockCodec source = BlockCodec.of(tensor.type());
    BlockCodec target = BlockCodec.of(type);
    float[] importance = columns == null ? null : Arrays.copyOfRange(columns, at, at + cols);
    byte[] bytes = new byte[Math.toIntExact(type.byteSize(rows * cols))];
    MemorySegment dst = MemorySegment.ofArray(bytes);
    float[] row = new float[cols];
    for (long r = 0; r < rows; r++) {
      source.dequantize(tensor.data(), (from + r) * tensor.rowBytes(), row, 0, cols);
      checkFinite(tensor, from + r, row, "finite weights");
      long to = type.byteSize(r * cols);
      target.quantize(row, 0, cols, importance, dst, to);
      target.dequantize(dst, to, row, 0, cols);
      checkFinite(tensor, from + r, row, "weights in the range of " + type);
    }
    return new RowChunk(bytes, rows * cols);
  }

  private static void checkFinite(Tensor tensor, long row, float[] weights, String expected) {
    for (int i = 0; i < weights.length; i++) {
      if (!Float.isFinite(weights[i])) {
        throw new QuantizationException(
            "tensor %s, row %d, column %d: expected %s, found %s"
                .formatted(tensor.name(), row, i, expected, weights[i]));
      }
    }
  }
}
