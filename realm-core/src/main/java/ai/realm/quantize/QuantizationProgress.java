package ai.realm.quantize;

import ai.realm.tensor.GgmlType;

/// Hears how far the work is; called by the thread that started it.
@FunctionalInterface
public interface QuantizationProgress {
  /// Nobody listens.
  QuantizationProgress NONE = step -> {};

  /// Some rows of a tensor have been written.
  void onStep(Step step);

  /// @param tensor which one, from 1
  /// @param tensors how many there are
  /// @param name its name
  /// @param from its type in the source
  /// @param to its type from now on
  /// @param doneWeights how many weights of the model are done
  /// @param totalWeights how many it has
  record Step(
      int tensor,
      int tensors,
      String name,
      GgmlType from,
      GgmlType to,
      long doneWeights,
      long totalWeights) {}
}
