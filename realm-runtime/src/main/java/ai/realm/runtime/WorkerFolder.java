package ai.realm.runtime;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A worker's files, in a folder that only this user can enter:
///
/// ```
/// realm-worker-<pid of the host>-<its start, ms>-<random>/
///   host.lock     locked by the host as long as it lives
///   memory-7 …    of instances that are being opened
/// ```
/// The system lets go of a lock with the process that has it, however that ended. So a folder whose lock can be
/// had is one that a host left behind when it was killed, and [#sweepBeside] deletes it. A folder without that
/// file says nothing, and is left alone.
final class WorkerFolder implements AutoCloseable {
  static final String LOCK = "host.lock";

  private static final String PREFIX = "realm-worker-";

  /// Names of the parent folder that a sweep looks at, folders that it deletes, and files of each.
  private static final int MOST_NAMES = 10_000;

  private static final int MOST_FOLDERS = 1_000;
  private static final int MOST_FILES = 1_000;

  private final Path path;
  private final @Nullable FileChannel lock;

  private WorkerFolder(Path path, @Nullable FileChannel lock) {
    this.path = path;
    this.lock = lock;
  }

  /// A new folder, in memory where the machine has a file system in it, so that nothing of a guest reaches a disk.
  static WorkerFolder create() throws IOException {
    Path memory = Path.of("/dev/shm");
    return create(
        Files.isDirectory(memory) && Files.isWritable(memory)
            ? memory
            : Path.of(System.getProperty("java.io.tmpdir")));
  }

  static WorkerFolder create(Path parent) throws IOException {
    Path path =
        parent.getFileSystem().supportedFileAttributeViews().contains("posix")
            ? Files.createTempDirectory(
                parent,
                ownPrefix(),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")))
            : Files.createTempDirectory(parent, ownPrefix());
    return new WorkerFolder(path, lock(path));
  }

  /// Tells this process' folders from others': it must not open their locks, as closing a file lets go of what
  /// the process has locked of it.
  private static String ownPrefix() {
    ProcessHandle self = ProcessHandle.current();
    long started = self.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
    return PREFIX + self.pid() + "-" + started + "-";
  }

  /// The file gets its name when it is locked: nobody finds it before. Null where the system has no locks here:
  /// then nobody takes the folder for one that was left.
  private static @Nullable FileChannel lock(Path folder) {
    Path unnamed = folder.resolve("host.new");
    FileChannel channel = null;
    boolean locked = false;
    try {
      channel = FileChannel.open(unnamed, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      locked = channel.tryLock() != null;
      if (locked) {
        Files.move(unnamed, folder.resolve(LOCK), StandardCopyOption.ATOMIC_MOVE);
      }
    } catch (IOException e) {
      locked = false;
    }
    if (!locked) {
      close(channel);
      return null;
    }
    return channel;
  }

  private static void close(@Nullable FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      // It goes with the process.
    }
  }

  Path path() {
    return path;
  }

  /// Deletes folders beside this one that hosts of this user left behind, and returns how many. Follows no
  /// links, and does nothing where the system cannot open files relative to an open folder.
  int sweepBeside() {
    int swept = 0;
    try (DirectoryStream<Path> beside = Files.newDirectoryStream(path.getParent())) {
      if (beside instanceof SecureDirectoryStream<Path> parent) {
        UserPrincipal user = Files.getOwner(path, LinkOption.NOFOLLOW_LINKS);
        String own = ownPrefix();
        int looked = 0;
        for (Path entry : parent) {
          if (++looked > MOST_NAMES || swept == MOST_FOLDERS) {
            break;
          }
          Path name = entry.getFileName();
          if (name.toString().startsWith(PREFIX)
              && !name.toString().startsWith(own)
              && sweep(parent, name, user)) {
            swept++;
          }
        }
      }
    } catch (IOException | DirectoryIteratorException | UnsupportedOperationException e) {
      // Whatever is left is for the next sweep.
    }
    return swept;
  }

  private static boolean sweep(SecureDirectoryStream<Path> parent, Path name, UserPrincipal user) {
    try {
      try (SecureDirectoryStream<Path> folder =
          parent.newDirectoryStream(name, LinkOption.NOFOLLOW_LINKS)) {
        if (!isOf(folder, user) || !isRegularFile(folder, Path.of(LOCK))) {
          return false;
        }
        try (SeekableByteChannel channel =
            folder.newByteChannel(
                Path.of(LOCK), Set.of(StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS))) {
          if (!(channel instanceof FileChannel file)
              || file.tryLock() == null
              || !deleteFiles(folder)) {
            return false;
          }
        }
      }
      parent.deleteDirectory(name);
      return true;
    } catch (IOException | DirectoryIteratorException | OverlappingFileLockException e) {
      // Not what a host leaves behind, or another host sweeps it.
      return false;
    }
  }

  private static boolean isOf(SecureDirectoryStream<Path> folder, UserPrincipal user)
      throws IOException {
    PosixFileAttributeView view = folder.getFileAttributeView(PosixFileAttributeView.class);
    return view != null && view.readAttributes().owner().equals(user);
  }

  private static boolean isRegularFile(SecureDirectoryStream<Path> folder, Path name)
      throws IOException {
    return folder
        .getFileAttributeView(name, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
        .readAttributes()
        .isRegularFile();
  }

  /// Deletes a left folder's files, the lock last, or none where there is what a worker's folder does not have.
  private static boolean deleteFiles(SecureDirectoryStream<Path> folder) throws IOException {
    List<Path> names = new ArrayList<>();
    for (Path entry : folder) {
      Path name = entry.getFileName();
      if (names.size() == MOST_FILES
          || folder
              .getFileAttributeView(name, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
              .readAttributes()
              .isDirectory()) {
        return false;
      }
      if (!name.toString().equals(LOCK)) {
        names.add(name);
      }
    }
    for (Path name : names) {
      folder.deleteFile(name);
    }
    folder.deleteFile(Path.of(LOCK));
    return true;
  }

  /// Deletes the folder; more than once does no harm.
  @Override
  public void close() {
    try (Stream<Path> files = Files.walk(path)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException | UncheckedIOException e) {
      // The other of the two that delete it was faster.
    }
    close(lock);
  }
}
