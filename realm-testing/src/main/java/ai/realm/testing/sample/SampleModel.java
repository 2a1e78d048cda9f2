package ai.realm.testing.sample;

import java.nio.file.Files;
import java.nio.file.Path;

/// The model that lies in the repository: where its file is and what the reference engine computes
/// with it. Tests on it need nothing from outside the checkout.
public final class SampleModel {
  private static final String NAME = "realm-sample-q8_0";

  private SampleModel() {}

  /// The GGUF file `models/realm-sample-q8_0.gguf` of the checkout.
  public static Path path() {
    return repositoryRoot().resolve("models").resolve(NAME + ".gguf");
  }

  /// What llama.cpp computes with [#path()].
  public static SampleReference reference() {
    return SampleReference.ofResource(NAME);
  }

  /// The top folder of the checkout: the nearest folder at or above the working directory that holds
  /// the model.
  public static Path repositoryRoot() {
    Path start = Path.of("").toAbsolutePath();
    for (Path folder = start; folder != null; folder = folder.getParent()) {
      if (Files.isRegularFile(folder.resolve("models").resolve(NAME + ".gguf"))) {
        return folder;
      }
    }
    throw new IllegalStateException(
        "models/%s.gguf: expected at or above %s, found nothing".formatted(NAME, start));
  }

  /// The folder beside the checkout that holds the other quantizations of the sample model, for tests
  /// tagged `reference`: the system property `realm.shared`, else the environment variable
  /// `REALM_SHARED`, else `../shared` from the repository root; and in it `models`.
  ///
  /// @throws IllegalStateException when there is none
  public static Path sharedModels() {
    String named = System.getProperty("realm.shared", System.getenv("REALM_SHARED"));
    Path shared =
        named == null || named.isEmpty()
            ? repositoryRoot().resolveSibling("shared")
            : Path.of(named);
    Path models = shared.resolve("models");
    if (!Files.isDirectory(models)) {
      throw new IllegalStateException(
          "expected the sample model's other files in %s, found no such folder; set REALM_SHARED"
              .formatted(models));
    }
    return models;
  }
}
