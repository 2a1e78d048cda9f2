package ai.realm.model;

import ai.realm.compute.Adapter;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import ai.realm.gguf.GgufFile;

/// A decoder-only language model: immutable weights on a backend, shared by all sequences. State lives
/// in the KV store and in the [ForwardPass]es made from it.
public interface CausalLm extends AutoCloseable {
  /// What the file says of the model.
  ModelConfig config();

  /// Shape of the KV store that it needs.
  KvLayout kvLayout(int blockSize, KvType type);

  /// Scratch memory for steps of up to `maxRows` rows of up to `maxSequences` sequences.
  ForwardPass newForwardPass(int maxRows, int maxSequences);

  /// Loads a LoRA adapter of this model. The file must stay open as long as the adapter.
  ///
  /// @param strength factor on what the adapter adds, 1 for what it was trained for
  /// @throws ai.realm.gguf.GgufFormatException when it does not fit this model
  default Adapter loadAdapter(GgufFile file, float strength) {
    throw new UnsupportedModelException(
        "architecture %s: adapters are not supported".formatted(config().architecture()));
  }

  /// Frees the weights; forward passes must not be used afterwards.
  @Override
  void close();
}
