package ai.realm.model;

import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// Root-mean-square or layer normalisation along rows of `dim` elements.
///
/// @param kind which
/// @param dim elements of a row
/// @param weight (dim), or null for 1
/// @param bias (dim) added at the end, or null
/// @param epsilon added to the mean square or variance
record Norm(Kind kind, int dim, @Nullable Buffer weight, @Nullable Buffer bias, float epsilon) {
  enum Kind {
    RMS,
    LAYER
  }

  /// Normalises n rows; `y` may be `x`.
  void apply(Step s, Buffer y, Buffer x, int n) {
    switch (kind) {
      case RMS -> {
        s.backend.rmsNorm(y, x, n, dim, weight, epsilon);
        if (bias != null) {
          s.backend.addRow(y, bias, n, dim);
        }
      }
      case LAYER -> s.backend.layerNorm(y, x, n, dim, weight, bias, epsilon);
    }
  }
}
