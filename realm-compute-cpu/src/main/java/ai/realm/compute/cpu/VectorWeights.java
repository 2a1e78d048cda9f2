package ai.realm.compute.cpu;

import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;

/// A weight matrix as it lies in the mapped file, with the kernel of its type. Holds no memory of its
/// own.
///
/// @param tensor rows of `cols()` weights, quantized blocks along rows
/// @param kernel reads its type
/// @param rows output features
/// @param cols input features
/// @param rowBytes bytes from one row to the next
record VectorWeights(Tensor tensor, VectorKernel kernel, int rows, int cols, long rowBytes)
    implements WeightMatrix {
  VectorWeights {
    if (!tensor.data().isAccessibleBy(new Thread())) {
      throw new IllegalArgumentException(
          "tensor %s: expected memory that all compute threads can read, found one thread's"
              .formatted(tensor.name()));
    }
  }

  VectorWeights(Tensor tensor) {
    CpuWeights shape = new CpuWeights(tensor);
    this(tensor, VectorKernel.of(tensor.type()), shape.rows(), shape.cols(), tensor.rowBytes());
  }

  @Override
  public String name() {
    return tensor.name();
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
