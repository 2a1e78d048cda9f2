package ai.realm.model;

import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;

/// A model with the scratch memory of one step. Used by one thread.
public interface ForwardPass extends AutoCloseable {
  /// Computes a step: stores the rows' keys and values and returns the logits of the rows that want
  /// them, shape (batch.outputs(), vocabulary), valid until the next call. Encoders have no logits: of
  /// theirs no row may want them, and each sequence's rows must be whole.
  Buffer forward(Batch batch, KvStore kv);

  /// The final hidden state, after the output norm, of `count` rows from `firstRow` on of the step that
  /// [#forward] computed last, shape (count, embeddingLength), valid until the next call. What becomes
  /// logits when it is multiplied with the output matrix, and an embedding when it is pooled.
  Buffer hidden(int firstRow, int count);

  /// Frees the scratch memory.
  @Override
  void close();
}
