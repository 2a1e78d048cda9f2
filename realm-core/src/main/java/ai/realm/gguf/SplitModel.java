package ai.realm.gguf;

import java.nio.file.Path;

/// The parts of a model that `llama-gguf-split` cut: `NAME-00001-of-0000N.gguf`. Each part has its
/// number from 0 in `split.no`, how many there are in `split.count`, and the tensors of all parts in
/// `split.tensors.count`; only the first has the model's own metadata. See gguf-split.cpp of
/// llama.cpp.
///
/// @param first path of the first part
/// @param stem its name up to the numbers
/// @param parts how many there are; 1 for a model that is not split
/// @param tensors how many tensors all parts have together, −1 if the file does not say
record SplitModel(Path first, String stem, int parts, long tensors) {
  private static final String NUMBER = "split.no";
  private static final String COUNT = "split.count";
  private static final String TENSORS = "split.tensors.count";

  /// Of a file that was read as the first.
  static SplitModel of(Path path, GgufReader reader) {
    if (!reader.metadata.containsKey(COUNT)) {
      return new SplitModel(path, "", 1, -1);
    }
    int parts = number(path, reader, COUNT);
    int part = number(path, reader, NUMBER);
    if (parts <= 1) {
      return new SplitModel(path, "", 1, -1);
    }
    String name = String.valueOf(path.getFileName());
    String suffix = suffix(part, parts);
    if (part >= parts || !name.endsWith(suffix)) {
      throw new GgufFormatException(
          "model file %s: expected a name that ends in %s for part %d of %d, found %s"
              .formatted(path, suffix, part + 1, parts, name));
    }
    String stem = name.substring(0, name.length() - suffix.length());
    if (part != 0) {
      throw new GgufFormatException(
          "model file %s: expected the first part, %s, found part %d of %d"
              .formatted(path, stem + suffix(0, parts), part + 1, parts));
    }
    long tensors = reader.metadata.containsKey(TENSORS) ? number(path, reader, TENSORS) : -1;
    return new SplitModel(path, stem, parts, tensors);
  }

  private static String suffix(int part, int parts) {
    return "-%05d-of-%05d.gguf".formatted(part + 1, parts);
  }

  /// Where a part lies.
  Path path(int part) {
    return first.resolveSibling(stem + suffix(part, parts));
  }

  /// Checks that a file is the part that its name says.
  void check(int part, GgufReader reader) {
    Path path = path(part);
    int number = number(path, reader, NUMBER);
    int count = number(path, reader, COUNT);
    if (number != part || count != parts) {
      throw new GgufFormatException(
          "model file %s: expected part %d of %d, found part %d of %d"
              .formatted(path, part + 1, parts, number + 1, count));
    }
  }

  /// Checks that all parts together have the tensors that the first one promised.
  void checkTensors(int found) {
    if (tensors >= 0 && found != tensors) {
      throw new GgufFormatException(
          "model file %s: expected %d tensors in %d parts, found %d"
              .formatted(first, tensors, parts, found));
    }
  }

  private static int number(Path path, GgufReader reader, String key) {
    try {
      return GgufMetadata.of(reader.metadata).int32(key);
    } catch (GgufFormatException e) {
      throw new GgufFormatException("model file " + path + ": " + e.getMessage(), e);
    }
  }
}
