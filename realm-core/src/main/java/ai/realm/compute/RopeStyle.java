package ai.realm.compute;

/// Which elements of a head rotate together.
public enum RopeStyle {
  /// Neighbours: (0, 1), (2, 3) … (ggml's NORM; the order of Llama weights in GGUF).
  INTERLEAVED,
  /// Halves: (0, d/2), (1, d/2 + 1) … (ggml's NEOX).
  HALVES
}
