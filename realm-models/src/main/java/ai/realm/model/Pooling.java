package ai.realm.model;

/// How one embedding is made of the final hidden states of a sequence's rows; the numbers are those of
/// GGUF's `pooling_type`.
public enum Pooling {
  /// The file names none: embeddings take the last row.
  NONE,
  /// Mean of all rows.
  MEAN,
  /// The first row (BERT's `[CLS]`).
  CLS,
  /// The last row.
  LAST,
  /// A classifier over the first row (rerankers).
  RANK;

  /// The pooling that GGUF numbers `id`.
  static Pooling of(int id) {
    if (id < 0 || id >= values().length) {
      throw new UnsupportedModelException(
          "pooling_type: expected 0 to %d, found %d".formatted(values().length - 1, id));
    }
    return values()[id];
  }
}
