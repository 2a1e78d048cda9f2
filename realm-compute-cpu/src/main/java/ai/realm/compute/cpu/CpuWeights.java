package ai.realm.compute.cpu;

import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;

/// A weight matrix used as it lies in the mapped file. Holds no memory of its own.
///
/// @param tensor rows of `cols()` weights, quantized blocks along rows
record CpuWeights(Tensor tensor) implements WeightMatrix {
  CpuWeights {
    if (tensor.shape().rows() > Integer.MAX_VALUE || tensor.shape().cols() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "tensor %s: expected fewer than 2^31 rows and columns, found %s"
              .formatted(tensor.name(), tensor.shape()));
    }
  }

  @Override
  public String name() {
    return tensor.name();
  }

  @Override
  public int rows() {
    return (int) tensor.shape().rows();
  }

  @Override
  public int cols() {
    return (int) tensor.shape().cols();
  }

  @Override
  public GgmlType type() {
    return tensor.type();
  }

  @Override
  public void close() {
    // The memory belongs to the mapped file.
  }
}
