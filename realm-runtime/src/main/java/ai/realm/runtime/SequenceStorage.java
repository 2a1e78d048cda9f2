package ai.realm.runtime;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Where the sequences lie that guests save with `kv_save`.
///
/// @param totalBytes what all tenants together may save; [ResourceLimits#savedKvBytes] bounds each
/// @param folder where files are kept, which one process uses at a time; null for in memory, where they end
///     with the runtime
public record SequenceStorage(long totalBytes, @Nullable Path folder) {
  private static final long IN_MEMORY = 256L << 20;

  public SequenceStorage {
    if (totalBytes < 0) {
      throw new IllegalArgumentException(
          "sequence storage: expected at least 0 bytes, found " + totalBytes);
    }
  }

  /// 256 MiB on the heap.
  public static SequenceStorage inMemory() {
    return new SequenceStorage(IN_MEMORY, null);
  }

  /// Files in a folder, which is made where it is missing. Names of files are digests of what guests say.
  public static SequenceStorage inFolder(Path folder, long totalBytes) {
    return new SequenceStorage(totalBytes, folder);
  }
}
