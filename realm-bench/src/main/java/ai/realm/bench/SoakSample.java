package ai.realm.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/// What the process holds at one moment in which nothing runs.
///
/// @param seconds since the begin
/// @param heapBytes live after a collection
/// @param otherBytes what the JVM counts outside of the heap: classes, code
/// @param residentBytes of the process, which has its whole heap resident from the begin
/// @param threads all but the JDK's own that wait for processes, which come and go
/// @param files folders of workers that no process works in any more, and halves of saved sequences
/// @param worker the oldest worker
record SoakSample(
    long seconds,
    long heapBytes,
    long otherBytes,
    long residentBytes,
    long descriptors,
    long threads,
    long files,
    ProcessState.Child worker) {
  private static final Path MEMORY = Path.of("/dev/shm");
  private static final Path PROCESSES = Path.of("/proc");
  private static final long CLEANERS_MILLIS = 50;
  private static final int MOST_COLLECTIONS = 8;

  /// What is allocated between two collections while nothing runs.
  private static final long STABLE_BYTES = 256 << 10;

  /// Whether a descriptor, thread or file is there that was not before.
  boolean holdsMoreThan(SoakSample before) {
    return descriptors > before.descriptors || threads > before.threads || files > before.files;
  }

  /// Collects garbage and gives back what the allocator keeps, then looks.
  ///
  /// @param saved folder of saved sequences
  static SoakSample take(long sinceNanos, Path saved) {
    try {
      long heap = collect();
      Allocator.trim();
      MemoryUsage other = ManagementFactory.getMemoryMXBean().getNonHeapMemoryUsage();
      return new SoakSample(
          TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - sinceNanos),
          heap,
          other.getUsed(),
          ProcessState.residentBytes(),
          ProcessState.descriptors(),
          ProcessState.ownThreads().size(),
          abandonedFolders() + parts(saved),
          ProcessState.oldestChild());
    } catch (IOException e) {
      throw new IllegalStateException("soak: a sample cannot be taken", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("soak: interrupted", e);
    }
  }

  /// Collects until nothing more goes: what is reachable through a reference queue or a cleaner only goes with the
  /// next collection, and what that held with the one after.
  ///
  /// @return bytes that are left
  private static long collect() throws InterruptedException {
    long before = Long.MAX_VALUE;
    for (int i = 0; i < MOST_COLLECTIONS; i++) {
      System.gc();
      long now = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
      if (i > 1 && now > before - STABLE_BYTES) {
        return Math.min(now, before);
      }
      before = now;
      Thread.sleep(CLEANERS_MILLIS);
    }
    return before;
  }

  private static long abandonedFolders() throws IOException {
    Set<Path> abandoned = new HashSet<>();
    for (Path parent : Set.of(MEMORY, Path.of(System.getProperty("java.io.tmpdir")))) {
      if (Files.isDirectory(parent)) {
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(parent, "realm-worker-*")) {
          folders.forEach(abandoned::add);
        }
      }
    }
    if (!abandoned.isEmpty()) {
      abandoned.removeAll(workingFolders());
    }
    return abandoned.size();
  }

  private static Set<Path> workingFolders() throws IOException {
    Set<Path> working = new HashSet<>();
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROCESSES, "[0-9]*")) {
      processes.forEach(process -> workingFolder(process).ifPresent(working::add));
    }
    return working;
  }

  /// Empty where the process has ended since or is another user's: no worker of ours.
  private static Optional<Path> workingFolder(Path process) {
    try {
      return Optional.of(Files.readSymbolicLink(process.resolve("cwd")));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static long parts(Path saved) throws IOException {
    try (var files = Files.walk(saved)) {
      return files.filter(file -> file.toString().endsWith(".part")).count();
    }
  }
}
