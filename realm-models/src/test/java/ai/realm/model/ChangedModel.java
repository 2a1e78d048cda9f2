package ai.realm.model;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// A copy of a model file with some settings or tensors changed.
final class ChangedModel {
  private record Added(GgmlType type, Shape shape) {}

  private final Path source;
  private final Map<String, Optional<GgufValue>> settings = new LinkedHashMap<>();
  private final Map<String, Optional<Added>> tensors = new LinkedHashMap<>();

  ChangedModel(Path source) {
    this.source = source;
  }

  ChangedModel with(String key, GgufValue value) {
    settings.put(key, Optional.of(value));
    return this;
  }

  ChangedModel without(String key) {
    settings.put(key, Optional.empty());
    return this;
  }

  /// Adds or replaces a tensor with one of zeros.
  ChangedModel withTensor(String name, GgmlType type, long... ne) {
    tensors.put(name, Optional.of(new Added(type, Shape.of(ne))));
    return this;
  }

  ChangedModel withoutTensor(String name) {
    tensors.put(name, Optional.empty());
    return this;
  }

  Path write(Path target) {
    try (GgufFile file = GgufFile.open(source)) {
      GgufWriter writer = new GgufWriter(target);
      for (String key : file.metadata().keys()) {
        if (!settings.containsKey(key)) {
          writer.metadata(key, file.metadata().find(key).orElseThrow());
        }
      }
      settings.forEach((key, value) -> value.ifPresent(v -> writer.metadata(key, v)));
      for (TensorInfo info : file.tensors()) {
        if (!tensors.containsKey(info.name())) {
          writer.tensor(info.name(), info.type(), info.shape(), file.tensor(info.name()).data());
        }
      }
      tensors.forEach(
          (name, added) -> added.ifPresent(a -> writer.tensor(name, a.type, a.shape, zeros(a))));
      writer.write();
      return target;
    }
  }

  private static MemorySegment zeros(Added added) {
    return MemorySegment.ofArray(
        new byte[Math.toIntExact(added.type.byteSize(added.shape.elements()))]);
  }
}
