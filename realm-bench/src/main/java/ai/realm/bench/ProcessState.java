package ai.realm.bench;

import com.sun.management.UnixOperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// What this process holds, as its JVM and Linux tell.
final class ProcessState {
  private static final Path OWN = Path.of("/proc/self");

  private ProcessState() {}

  /// `VmRSS`.
  static long residentBytes() {
    return residentBytes(OWN);
  }

  private static long residentBytes(Path process) {
    Path status = process.resolve("status");
    try {
      for (String line : Files.readAllLines(status)) {
        if (line.startsWith("VmRSS:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
      }
    } catch (IOException e) {
      throw new IllegalStateException(status + ": expected VmRSS", e);
    }
    throw new IllegalStateException(status + ": expected VmRSS, found none");
  }

  /// What the oldest process holds that this one started.
  record Child(long residentBytes, long descriptors) {
    static final Child NONE = new Child(0, 0);
  }

  /// The child that lives longest; [Child#NONE] where there is none.
  static Child oldestChild() throws IOException {
    Optional<ProcessHandle> oldest =
        ProcessHandle.current()
            .children()
            .min(Comparator.comparing(child -> child.info().startInstant().orElse(Instant.MAX)));
    if (oldest.isEmpty()) {
      return Child.NONE;
    }
    Path process = OWN.resolveSibling(Long.toString(oldest.get().pid()));
    try (Stream<Path> descriptors = Files.list(process.resolve("fd"))) {
      return new Child(residentBytes(process), descriptors.count());
    }
  }

  /// Open descriptors.
  static long descriptors() {
    if (ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean system) {
      return system.getOpenFileDescriptorCount();
    }
    throw new IllegalStateException("expected a system that counts open descriptors");
  }

  /// Names of the threads that live, without those of the JDK's pools that wait for processes to end: they
  /// come when there is something to do and go a minute later.
  static List<String> ownThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> !name.startsWith("process reaper"))
        .filter(name -> !name.startsWith("ForkJoinPool.commonPool"))
        .sorted()
        .toList();
  }
}
