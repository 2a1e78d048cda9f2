package ai.realm.model;

import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import org.jspecify.annotations.Nullable;

/// `y = x · weightᵀ + bias`.
///
/// @param weight (out, in)
/// @param bias (out), or null
record Linear(WeightMatrix weight, @Nullable Buffer bias) {
  /// Output features.
  int out() {
    return weight.rows();
  }

  /// Shapes: x (n, in), y (n, out).
  void apply(Step s, Buffer y, Buffer x, int n) {
    s.backend.matmul(y, weight, x, n);
    addBias(s, y, n);
  }

  /// Adds the bias where there is one, for products computed together with others.
  void addBias(Step s, Buffer y, int n) {
    if (bias != null) {
      s.backend.addRow(y, bias, n, out());
    }
  }
}
