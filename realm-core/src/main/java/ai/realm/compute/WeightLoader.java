package ai.realm.compute;

import ai.realm.tensor.Tensor;

/// Turns the tensors of one open model file into matrices. Used by one thread, the one that loads.
public interface WeightLoader extends AutoCloseable {
  /// A matrix of one of the file's tensors; see [Backend#weights].
  WeightMatrix weights(Tensor tensor);

  /// Says that a matrix of this loader which is looked up in is multiplied with too: tied embeddings.
  default void multiplied(WeightMatrix matrix) {}

  /// Says that all the model's matrices were asked for and that the model is good.
  default void finish() {}

  /// Ends loading, after a failure too. The matrices live on.
  @Override
  default void close() {}
}
