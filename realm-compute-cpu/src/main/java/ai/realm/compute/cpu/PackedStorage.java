package ai.realm.compute.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The writing of a file of packed weights, one method per step, each of which can fail. The file
/// appears as a whole or not at all: written under another name beside its place, forced to the disk,
/// renamed, the folder forced. What a killed process left is deleted by the next writer.
class PackedStorage {
  private static final String PART = ".part-";
  private static final String RIGHTS = "rw-------";

  /// A file that is being written.
  ///
  /// @param path its name until it is whole
  /// @param channel locked as long as it is open: who finds it unlocked knows that its writer died
  record Part(Path path, FileChannel channel) {}

  /// Begins a file that will be called `target`; null while another process writes the same.
  @Nullable Part create(Path target) throws IOException {
    Path folder = folder(target);
    String prefix = target.getFileName() + PART;
    try (DirectoryStream<Path> parts =
        Files.newDirectoryStream(
            folder, path -> String.valueOf(path.getFileName()).startsWith(prefix))) {
      for (Path part : parts) {
        if (isLocked(part)) {
          return null;
        }
        delete(part);
      }
    }
    Path path = folder.resolve(prefix + Long.toHexString(System.nanoTime()));
    FileChannel channel =
        FileChannel.open(
            path,
            Set.of(StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(RIGHTS)));
    try {
      if (channel.tryLock() == null) {
        throw new IOException("cannot lock " + path);
      }
      return new Part(path, channel);
    } catch (IOException | RuntimeException e) {
      channel.close();
      delete(path);
      throw e;
    }
  }

  private static boolean isLocked(Path part) throws IOException {
    try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE);
        FileLock lock = channel.tryLock()) {
      return lock == null;
    } catch (OverlappingFileLockException e) {
      return true;
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /// The number of the user that this process runs as.
  Object user() throws IOException {
    Path process = Path.of("/proc/self");
    Path mine = Files.exists(process) ? process : Path.of(System.getProperty("user.home"));
    return Files.getAttribute(mine, "unix:uid");
  }

  /// Writes some of the bytes, as many as the system takes.
  int write(Part part, ByteBuffer bytes) throws IOException {
    return part.channel().write(bytes);
  }

  /// Makes what was written last.
  void force(Part part) throws IOException {
    part.channel().force(true);
  }

  /// Gives the file its name.
  void rename(Part part, Path target) throws IOException {
    try {
      Files.move(part.path(), target, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      throw new IOException("the file system cannot rename atomically", e);
    }
  }

  /// Makes the name last.
  void forceFolder(Path target) throws IOException {
    try (FileChannel directory = FileChannel.open(folder(target), StandardOpenOption.READ)) {
      directory.force(true);
    }
  }

  /// Deletes a file that is there or not.
  void delete(Path path) throws IOException {
    Files.deleteIfExists(path);
  }

  private static Path folder(Path target) {
    Path folder = target.toAbsolutePath().getParent();
    if (folder == null) {
      throw new IllegalArgumentException(target + ": expected a file in a folder, found none");
    }
    return folder;
  }
}
