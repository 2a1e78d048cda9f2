package ai.realm.cli;

import ai.realm.compute.WeightsCache;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Whether repacked weights may be kept on disk.
final class WeightsCacheOptions {
  private static final String MARK = ".realm-packed-";

  @Option(
      names = "--weights-cache",
      description =
          "Keep repacked weights in a file beside the model: later starts map it and pack nothing.")
  private boolean beside;

  @Option(
      names = "--weights-cache-dir",
      paramLabel = "DIR",
      description = "The same in another folder, where the model's own is not writable.")
  private @Nullable Path folder;

  /// The leave to write them, or null where it was not given.
  @Nullable WeightsCache cache(Consumer<String> notices) {
    return beside || folder != null ? new WeightsCache(folder, notices) : null;
  }

  /// Whether a file for the model is there, good or not.
  boolean hasFile(Path model) {
    Path own = model.toAbsolutePath().getParent();
    Path where = folder == null ? own : folder;
    if (cache(notice -> {}) == null || where == null || !Files.isDirectory(where)) {
      return false;
    }
    String prefix = model.getFileName() + MARK;
    try (DirectoryStream<Path> files =
        Files.newDirectoryStream(
            where, file -> String.valueOf(file.getFileName()).startsWith(prefix))) {
      return files.iterator().hasNext();
    } catch (IOException e) {
      return false;
    }
  }
}
