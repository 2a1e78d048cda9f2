package ai.realm.compute;

/// Element-wise non-linearities of feed-forward layers.
public enum Activation {
  /// `x · sigmoid(x)`.
  SILU,
  /// The tanh approximation of GELU, as ggml computes it.
  GELU,
  /// `x · Φ(x)` with the error function.
  GELU_ERF,
  /// `x · sigmoid(1.702 x)`.
  GELU_QUICK,
  /// `max(x, 0)`.
  RELU,
  /// `max(x, 0)²`.
  RELU_SQUARED,
  /// `1 / (1 + e^−x)`: gates of attention outputs and shared experts.
  SIGMOID
}
