package ai.realm.tensor;

import java.lang.foreign.MemorySegment;

/// A tensor as it lies in memory: row-major, innermost dimension first, quantized blocks along rows.
///
/// @param name its name in the file, for messages
/// @param type how weights are stored
/// @param shape extents, innermost first
/// @param data exactly `type.byteSize(shape.elements())` bytes, little-endian; usually a slice of the
///     mapped file
public record Tensor(String name, GgmlType type, Shape shape, MemorySegment data) {
  public Tensor {
    if (shape.cols() % type.blockSize() != 0) {
      throw new IllegalArgumentException(
          "tensor %s: expected rows of a multiple of %d weights for %s, found %s"
              .formatted(name, type.blockSize(), type, shape));
    }
    long expected = type.byteSize(shape.elements());
    if (data.byteSize() != expected) {
      throw new IllegalArgumentException(
          "tensor %s: expected %d bytes for %s %s, found %d"
              .formatted(name, expected, type, shape, data.byteSize()));
    }
  }

  /// Bytes of one row.
  public long rowBytes() {
    return type.byteSize(shape.cols());
  }

  /// The rows `from` (inclusive) to `to` (exclusive) as a matrix over the same memory.
  public Tensor rows(long from, long to) {
    if (from < 0 || to <= from || to > shape.rows()) {
      throw new IllegalArgumentException(
          "tensor %s: rows [%d, %d) of %s".formatted(name, from, to, shape));
    }
    long rowBytes = rowBytes();
    return new Tensor(
        name + "[" + from + ":" + to + "]",
        type,
        Shape.of(shape.cols(), to - from),
        data.asSlice(from * rowBytes, (to - from) * rowBytes));
  }

  /// Matrix `i` of a three-dimensional tensor (one expert's weights) over the same memory.
  public Tensor matrix(long i) {
    long rows = shape.ne(1);
    return rows(i * rows, (i + 1) * rows);
  }
}
