package ai.realm.runtime;

import java.io.IOException;
import java.nio.file.FileSystemException;

/// Why an access to a file failed.
final class FileReason {
  private FileReason() {}

  /// The reason without the file's path, which `getMessage` begins with.
  static String of(IOException failure) {
    String reason =
        failure instanceof FileSystemException file ? file.getReason() : failure.getMessage();
    return reason == null ? failure.getClass().getSimpleName() : reason;
  }
}
