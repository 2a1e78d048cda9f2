package ai.realm.runtime;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.function.ObjLongConsumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Saved sequences as files `TENANT/NAME.kv`, both SHA-256 in hex, in a folder that the host granted and that
/// this process has locked. A file is written under another name, forced to the disk, and renamed; what a
/// killed process left is deleted at the begin. Only the owner of the process can read them.
final class FolderShelf implements SequenceShelf {
  private static final String SUFFIX = ".kv";
  private static final String PART = ".part";
  private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");

  private final Path folder;
  private final FileChannel lock;

  private FolderShelf(Path folder, FileChannel lock) {
    this.folder = folder;
    this.lock = lock;
  }

  static FolderShelf open(Path folder) {
    try {
      Files.createDirectories(folder, access(folder, "rwx------"));
      FileChannel lock =
          FileChannel.open(
              folder.resolve(".lock"), StandardOpenOption.WRITE, StandardOpenOption.CREATE);
      if (!isLocked(lock)) {
        lock.close();
        throw new SavedSequenceException(
            "SAVED_KV_IO",
            "folder %s: expected no other process to use it, found one".formatted(folder));
      }
      return new FolderShelf(folder, lock);
    } catch (IOException e) {
      throw failed("open", folder, e);
    }
  }

  private static boolean isLocked(FileChannel channel) throws IOException {
    try {
      return channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false;
    }
  }

  private static FileAttribute<?>[] access(Path path, String permissions) {
    return path.getFileSystem().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
        }
        : new FileAttribute<?>[0];
  }

  private static SavedSequenceException failed(String what, Path path, IOException e) {
    return failed("%s %s".formatted(what, path), e);
  }

  /// Tenants read it, whose concern the host's paths are not: they are in the cause.
  private static SavedSequenceException failed(String what, IOException e) {
    return new SavedSequenceException(
        "SAVED_KV_IO",
        "saved sequences: expected to %s, found: %s".formatted(what, FileReason.of(e)),
        e);
  }

  private Path file(SavedKv.Key key) {
    return folder.resolve(key.tenant()).resolve(key.name() + SUFFIX);
  }

  @Override
  public boolean copies() {
    return true;
  }

  @Override
  public Prepared prepare(SavedKv.Key key, SavedKv saved) {
    Path target = file(key);
    Path tenant = folder.resolve(key.tenant());
    try {
      Files.createDirectories(tenant, access(folder, "rwx------"));
      Path part = Files.createTempFile(tenant, "", PART, access(folder, "rw-------"));
      boolean written = false;
      try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
        SequenceFile.write(channel, key, saved);
        channel.force(true);
        written = true;
      } finally {
        if (!written) {
          Files.deleteIfExists(part);
        }
      }
      return new Part(part, target);
    } catch (IOException e) {
      throw failed("write a file", e);
    }
  }

  private record Part(Path part, Path target) implements Prepared {
    @Override
    public void commit() {
      try {
        Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        throw failed("write a file", e);
      }
    }

    /// The file is there and counts, whatever becomes of this: an interrupt closes the channel at work, and
    /// all that is lost then is that the new name outlives a power cut from here on.
    @Override
    public void force() {
      boolean interrupted = Thread.interrupted();
      try {
        force(target.resolveSibling("."));
      } catch (IOException e) {
        // See above.
      } finally {
        if (interrupted) {
          Thread.currentThread().interrupt();
        }
      }
    }

    /// Makes the new name last, where a directory can be opened: not on Windows.
    private static void force(Path directory) throws IOException {
      if (directory.getFileSystem().supportedFileAttributeViews().contains("posix")) {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
          channel.force(true);
        }
      }
    }

    @Override
    public void close() {
      try {
        Files.deleteIfExists(part);
      } catch (IOException e) {
        throw failed("delete a file", e);
      }
    }
  }

  @Override
  public @Nullable SavedKv read(SavedKv.Key key, SavedKv.Expected expected, HostMemory.Loan room) {
    Path file = file(key);
    try {
      if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
        return null;
      }
      if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        throw new SavedSequenceException(
            "SAVED_KV_INVALID", "saved sequence: expected a regular file, found another kind");
      }
      try (FileChannel channel =
          FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
        return SequenceFile.read(channel, key, expected, room);
      }
    } catch (NoSuchFileException e) {
      return null; // Removed since.
    } catch (IOException e) {
      throw failed("read a file", e);
    }
  }

  @Override
  public void delete(SavedKv.Key key) {
    try {
      Files.deleteIfExists(file(key));
    } catch (IOException e) {
      throw failed("delete a file", e);
    }
  }

  @Override
  public void each(ObjLongConsumer<SavedKv.Key> to) {
    try (DirectoryStream<Path> tenants = Files.newDirectoryStream(folder)) {
      for (Path tenant : tenants) {
        String name = String.valueOf(tenant.getFileName());
        if (DIGEST.matcher(name).matches()
            && Files.isDirectory(tenant, LinkOption.NOFOLLOW_LINKS)) {
          each(tenant, name, to);
        }
      }
    } catch (IOException e) {
      throw failed("read", folder, e);
    }
  }

  private static void each(Path tenant, String owner, ObjLongConsumer<SavedKv.Key> to)
      throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(tenant)) {
      for (Path file : files) {
        String name = String.valueOf(file.getFileName());
        if (name.endsWith(PART)) {
          Files.deleteIfExists(file);
        } else if (name.endsWith(SUFFIX)) {
          String digest = name.substring(0, name.length() - SUFFIX.length());
          if (DIGEST.matcher(digest).matches()) {
            to.accept(new SavedKv.Key(owner, digest), Files.size(file));
          }
        }
      }
    }
  }

  @Override
  public void close() {
    try {
      lock.close();
    } catch (IOException e) {
      throw failed("close", folder, e);
    }
  }
}
