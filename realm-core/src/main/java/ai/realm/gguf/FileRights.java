package ai.realm.gguf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/// Who besides this user and root may write to a file. One that is shortened or rewritten in place changes under
/// whoever has it mapped; one that is replaced by another of its name, or deleted, does not.
public final class FileRights {
  private static final Object ROOT = 0;

  private FileRights() {}

  /// What lets somebody else write to a file, in a few words; of a link to its target. Empty where nothing does,
  /// and where the file system does not know.
  public static Optional<String> doubt(Path path) throws IOException {
    if (!path.getFileSystem().supportedFileAttributeViews().contains("unix")) {
      return Optional.empty();
    }
    Map<String, Object> file = Files.readAttributes(path, "unix:uid,owner,group,permissions");
    return doubt(
        Objects.requireNonNullElse(file.get("uid"), "nobody"),
        user(),
        String.valueOf(file.get("owner")),
        String.valueOf(file.get("group")),
        file.get("permissions") instanceof Set<?> rights ? rights : Set.of());
  }

  /// A group that is called as the owner is has no other member where each user has a group of its own, and there
  /// files are made writable for it.
  static Optional<String> doubt(
      Object uid, Object self, String owner, String group, Set<?> rights) {
    if (!uid.equals(self) && !uid.equals(ROOT)) {
      return Optional.of("it belongs to user %s, not to this user or root".formatted(owner));
    }
    if (rights.contains(PosixFilePermission.OTHERS_WRITE)) {
      return Optional.of("everybody may write to it");
    }
    if (rights.contains(PosixFilePermission.GROUP_WRITE) && !group.equals(owner)) {
      return Optional.of("group %s may write to it".formatted(group));
    }
    return Optional.empty();
  }

  /// The number of the user that this process runs as.
  private static Object user() throws IOException {
    Path process = Path.of("/proc/self");
    Path mine = Files.exists(process) ? process : Path.of(System.getProperty("user.home"));
    return Files.getAttribute(mine, "unix:uid");
  }
}
