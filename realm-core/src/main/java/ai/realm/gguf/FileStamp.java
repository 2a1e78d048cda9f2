package ai.realm.gguf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/// What the file system says of a file's content without reading it. The time of change cannot be set
/// by programs: a file that was replaced or written to has another one even where somebody restored
/// its time of modification.
///
/// @param size bytes
/// @param modified time of the last modification, as text with all digits that the file system keeps
/// @param changed time of the last change of content, name or rights; empty where the system has none
public record FileStamp(long size, String modified, String changed) {
  @Override
  public String toString() {
    return size + " bytes of " + modified + (changed.isEmpty() ? "" : " changed " + changed);
  }

  /// The stamp of a file as it lies there now; of a link that of its target.
  public static FileStamp of(Path path) throws IOException {
    boolean unix = path.getFileSystem().supportedFileAttributeViews().contains("unix");
    Map<String, Object> found =
        Files.readAttributes(
            path, unix ? "unix:size,lastModifiedTime,ctime" : "size,lastModifiedTime");
    return new FileStamp(
        (Long) found.getOrDefault("size", 0L),
        String.valueOf(found.get("lastModifiedTime")),
        String.valueOf(found.getOrDefault("ctime", "")));
  }
}
