package ai.realm.model;

/// What a model file's metadata says of its architecture.
///
/// @param architecture `general.architecture`
/// @param layers number of blocks
/// @param embeddingLength width of the residual stream, and of an embedding
/// @param vocabularySize number of tokens: rows of the output matrix
/// @param contextLength the most positions of a sequence
/// @param pooling how an embedding of a whole sequence is made of its rows
/// @param generates whether the model gives logits; encoders only give embeddings
/// @param recurrent whether layers keep a running state: a sequence can then be continued and, at the
///     end of a block, shared, but not cut back
public record ModelConfig(
    String architecture,
    int layers,
    int embeddingLength,
    int vocabularySize,
    int contextLength,
    Pooling pooling,
    boolean generates,
    boolean recurrent) {
  public ModelConfig {
    if (layers < 1 || embeddingLength < 1 || vocabularySize < 1 || contextLength < 1) {
      throw new IllegalArgumentException(
          "expected positive layers, width, vocabulary and context, found %d, %d, %d, %d"
              .formatted(layers, embeddingLength, vocabularySize, contextLength));
    }
  }

  /// A generating model of one layer and width 1, for fakes.
  public ModelConfig(String architecture, int vocabularySize, int contextLength) {
    this(architecture, 1, 1, vocabularySize, contextLength, Pooling.NONE, true, false);
  }
}
