package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.gguf.GgufFile;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;

/// The architectures that Realm runs, by `general.architecture` and nothing else.
public final class Architectures {
  private static final Map<String, Function<ModelReader, CausalLm>> LOADERS =
      new TreeMap<>(Map.ofEntries(Map.entry("llama", LlamaModel::load)));

  private Architectures() {}

  /// Names of the supported architectures, sorted.
  public static SortedSet<String> supported() {
    return new TreeSet<>(LOADERS.keySet());
  }

  /// Loads a model's weights onto a backend. The file must stay open as long as the model.
  ///
  /// @throws ai.realm.gguf.GgufFormatException when a setting or tensor is missing or malformed
  /// @throws UnsupportedModelException when Realm does not run the architecture
  public static CausalLm load(GgufFile file, Backend backend) {
    return load(file, backend, Integer.MAX_VALUE);
  }

  /// The same with at most `maxContext` positions per sequence; models with LongRoPE choose their
  /// factors by it.
  public static CausalLm load(GgufFile file, Backend backend, int maxContext) {
    String architecture = file.metadata().string("general.architecture");
    Function<ModelReader, CausalLm> loader = LOADERS.get(architecture);
    if (loader == null) {
      throw new UnsupportedModelException(
          "general.architecture: expected one of %s, found %s"
              .formatted(String.join(", ", LOADERS.keySet()), architecture));
    }
    ModelReader reader = new ModelReader(file, backend, maxContext);
    try {
      return loader.apply(reader);
    } catch (RuntimeException e) {
      reader.abandon();
      throw e;
    }
  }
}
