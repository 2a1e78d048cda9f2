package ai.realm.gguf;

import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;

/// A tensor's entry in the file's directory.
///
/// @param name its name
/// @param type how weights are stored
/// @param shape extents, innermost first
/// @param offset where its data begins, in bytes from the start of the file
/// @param part which file of a split model holds it, from 0
public record TensorInfo(String name, GgmlType type, Shape shape, long offset, int part) {
  /// Bytes of its data.
  public long byteSize() {
    return type.byteSize(shape.elements());
  }
}
