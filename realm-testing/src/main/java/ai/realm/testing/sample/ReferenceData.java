package ai.realm.testing.sample;

import java.nio.file.Files;
import java.nio.file.Path;

/// The full reference data set, for tests tagged `reference`: the system property `realm.reference`,
/// else the environment variable `REALM_REFERENCE`, else `.reference` in the repository root, where
/// `./dev reference` unpacks it.
public final class ReferenceData {
  private ReferenceData() {}

  /// A folder of the data set.
  ///
  /// @throws IllegalStateException when it is not there
  public static Path folder(String name) {
    String named = System.getProperty("realm.reference", System.getenv("REALM_REFERENCE"));
    Path root =
        named == null || named.isEmpty()
            ? SampleModel.repositoryRoot().resolve(".reference")
            : Path.of(named);
    Path folder = root.resolve(name);
    if (!Files.isDirectory(folder)) {
      throw new IllegalStateException(
          "expected reference data in %s, found no such folder; run ./dev reference"
              .formatted(folder));
    }
    return folder;
  }
}
