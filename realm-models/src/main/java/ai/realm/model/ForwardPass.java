package ai.realm.model;

import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;

/// A model with the scratch memory of one step. Used by one thread.
public interface ForwardPass extends AutoCloseable {
  /// Computes a step: stores the rows' keys and values and returns the logits of the rows that want
  /// them, shape (batch.outputs(), vocabulary), valid until the next call.
  Buffer forward(Batch batch, KvStore kv);

  /// Computes a step and returns one embedding per sequence of the batch, pooled over the sequence's
  /// rows of this step as [ModelConfig#pooling] says, not normalised; shape (batch.sequences(),
  /// embeddingLength), valid until the next call.
  default Buffer embed(Batch batch, KvStore kv) {
    throw new UnsupportedOperationException("this forward pass computes no embeddings");
  }

  /// Frees the scratch memory.
  @Override
  void close();
}
