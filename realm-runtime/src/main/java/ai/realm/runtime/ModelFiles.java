package ai.realm.runtime;

import ai.realm.gguf.FileRights;
import ai.realm.gguf.GgufFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/// How model files and adapters come into the process.
///
/// Mapped, a file costs no memory besides the page cache, and replacing or deleting it is harmless; but who
/// shortens or rewrites it in place ends the model, or changes what it says. So one is mapped in silence only
/// where nobody but this user and root may write to it; else it is mapped and a line says why it might change.
/// It is not copied instead: the copy of a model of 40 GB takes 40 GB and its time, whether the machine has them
/// or not, and that is for the one who starts it to decide. Copied, a file may be changed as one likes.
///
/// @param copied whether files are copied into memory
/// @param notices told, in one line each, which mapped files others may change
public record ModelFiles(boolean copied, Consumer<String> notices) {
  /// Mapped; what is to be noticed goes to the JVM's log as a warning.
  static ModelFiles logged() {
    return mapped(line ->
        System.getLogger(ModelFiles.class.getName()).log(System.Logger.Level.WARNING, line));
  }

  /// Files that are mapped.
  public static ModelFiles mapped(Consumer<String> notices) {
    return new ModelFiles(false, notices);
  }

  /// Files that are copied, which leaves nothing to notice.
  public static ModelFiles inMemory() {
    return new ModelFiles(true, line -> {});
  }

  /// Opens a file, all parts of it.
  ///
  /// @throws ai.realm.gguf.GgufFormatException when it is no model file, changes meanwhile, or there is no memory
  ///     for its copy
  public GgufFile open(Path path) {
    if (copied) {
      return GgufFile.openCopied(path);
    }
    GgufFile file = GgufFile.open(path);
    file.parts().forEach(part -> notice(part.path()));
    return file;
  }

  private void notice(Path path) {
    Optional<String> doubt;
    try {
      doubt = FileRights.doubt(path);
    } catch (IOException e) {
      doubt = Optional.of("its rights cannot be read: " + e.getMessage());
    }
    doubt.ifPresent(reason ->
        notices.accept(
            "model file %s is mapped, and %s: who shortens it ends the model, who rewrites it changes it; a copy in memory would stay"
                .formatted(path, reason)));
  }
}
