package ai.realm.model;

import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// Normalisation of queries or keys before they are rotated.
///
/// @param norm along one head (Qwen 3, Gemma 3) or along all heads of a row (OLMo 2)
/// @param weights weights of their own for each head (heads · headLength), or null (Command R+,
///     StableLM 2); `norm` has none then
record HeadNorm(Norm norm, @Nullable Buffer weights) {
  /// Shapes: x (n, heads · headLength).
  void apply(Step s, Buffer x, int n, int heads, int headLength) {
    int rows = norm.dim() == headLength ? n * heads : n;
    norm.apply(s, x, x, rows);
    if (weights != null) {
      s.backend.multiplyRow(x, weights, n, heads * headLength);
    }
  }
}
