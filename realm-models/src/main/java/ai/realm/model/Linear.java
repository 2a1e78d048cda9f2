package ai.realm.model;

import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import org.jspecify.annotations.Nullable;

/// `y = x · weightᵀ + bias`, and for sequences with an adapter its low-rank addition.
///
/// @param weight (out, in)
/// @param bias (out), or null
/// @param index which of the places that an adapter can change, or −1 (experts)
record Linear(WeightMatrix weight, @Nullable Buffer bias, int index) {
  /// Where adapters find a linear layer: rows of a tensor of the file.
  ///
  /// @param tensor the tensor's name
  /// @param rows its rows
  /// @param from first row that this layer has
  /// @param count how many rows it has
  record Place(String tensor, int rows, int from, int count, int cols) {}

  /// Output features.
  int out() {
    return weight.rows();
  }

  /// Shapes: x (n, in), y (n, out).
  void apply(Step s, Buffer y, Buffer x, int n) {
    s.backend.matmul(y, weight, x, n);
    finish(s, y, x, n);
  }

  /// Adds bias and adapters to a product computed together with others.
  void finish(Step s, Buffer y, Buffer x, int n) {
    if (bias != null) {
      s.backend.addRow(y, bias, n, out());
    }
    if (index >= 0 && s.batch().adapted()) {
      s.addAdapters(this, y, x);
    }
  }
}
