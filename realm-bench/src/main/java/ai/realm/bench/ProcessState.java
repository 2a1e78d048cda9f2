package ai.realm.bench;

import com.sun.management.UnixOperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// What this process holds, as its JVM and Linux tell.
final class ProcessState {
  private static final Path STATUS = Path.of("/proc/self/status");

  private ProcessState() {}

  /// `VmRSS`.
  static long residentBytes() {
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith("VmRSS:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
      }
    } catch (IOException e) {
      throw new IllegalStateException(STATUS + ": expected VmRSS", e);
    }
    throw new IllegalStateException(STATUS + ": expected VmRSS, found none");
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
