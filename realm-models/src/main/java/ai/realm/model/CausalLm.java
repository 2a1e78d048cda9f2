package ai.realm.model;

import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;

/// A decoder-only language model: immutable weights on a backend, shared by all sequences. State lives
/// in the KV store and in the [ForwardPass]es made from it.
public interface CausalLm extends AutoCloseable {
  /// What the file says of the model.
  ModelConfig config();

  /// Shape of the KV store that it needs.
  KvLayout kvLayout(int blockSize, KvType type);

  /// Scratch memory for steps of up to `maxRows` rows of up to `maxSequences` sequences.
  ForwardPass newForwardPass(int maxRows, int maxSequences);

  /// Frees the weights; forward passes must not be used afterwards.
  @Override
  void close();
}
