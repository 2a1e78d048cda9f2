package ai.realm.compute;

import ai.realm.tensor.GgmlType;

/// A weight matrix as a backend holds it: mapped as it lies in the file, or repacked. Immutable and
/// shared by all sequences.
public interface WeightMatrix extends AutoCloseable {
  /// The tensor's name in the file, for messages.
  String name();

  /// Output features: the number of rows.
  int rows();

  /// Input features: the length of a row.
  int cols();

  /// How the weights are stored in the file.
  GgmlType type();

  /// Frees what the backend allocated for it (nothing where the mapped file is used as it lies).
  @Override
  void close();
}
