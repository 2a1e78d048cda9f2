package ai.realm.compute.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;

/// How many compute threads this process should run: the least of what the JVM sees, the physical
/// cores it may run on (two threads of one core share its multipliers, and spin against each other),
/// and the whole CPUs of its cgroup's quota (a thread more is throttled in the midst of a barrier).
///
/// See `cpu.max` in cgroup-v2.rst, `cpu.cfs_quota_us` in sched-bwc.rst, and `Cpus_allowed_list` in
/// proc_pid_status(5).
final class CpuShare {
  private static final long MAX_CPUS = 1 << 16;

  private final Path root;
  private final int jvmProcessors;

  /// @param root where `/proc` and `/sys` are
  /// @param jvmProcessors what the JVM reports
  CpuShare(Path root, int jvmProcessors) {
    this.root = root;
    this.jvmProcessors = jvmProcessors;
  }

  /// Compute threads for this process on this machine, at least 1.
  static int threads() {
    return new CpuShare(Path.of("/"), Runtime.getRuntime().availableProcessors()).count();
  }

  int count() {
    int count = jvmProcessors;
    count = Math.min(count, physicalCores());
    count = (int) Math.min(count, quota());
    return Math.max(1, count);
  }

  /// Physical cores among the CPUs this process may run on; no bound where the system does not say.
  private int physicalCores() {
    BitSet left = new BitSet();
    for (String line : lines(root.resolve("proc/self/status"))) {
      if (line.startsWith("Cpus_allowed_list:")) {
        left = cpuList(line.substring(line.indexOf(':') + 1));
      }
    }
    int cores = 0;
    for (int cpu = left.nextSetBit(0); cpu >= 0; cpu = left.nextSetBit(cpu + 1)) {
      cores++;
      List<String> siblings =
          lines(
              root.resolve("sys/devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list"));
      if (!siblings.isEmpty()) {
        left.andNot(cpuList(siblings.getFirst()));
        left.set(cpu);
      }
    }
    return cores == 0 ? Integer.MAX_VALUE : cores;
  }

  /// Whole CPUs of the tightest quota from this process's cgroup up to the root.
  private double quota() {
    double quota = Double.MAX_VALUE;
    for (String line : lines(root.resolve("proc/self/cgroup"))) {
      String[] fields = line.split(":", 3);
      if (fields.length != 3) {
        continue;
      }
      boolean v2 = fields[1].isEmpty();
      if (v2) {
        quota = Math.min(quota, quotaAlong(root.resolve("sys/fs/cgroup"), fields[2], true));
      } else if (List.of(fields[1].split(",")).contains("cpu")) {
        for (String mount : List.of("cpu,cpuacct", "cpu")) {
          quota =
              Math.min(
                  quota,
                  quotaAlong(root.resolve("sys/fs/cgroup").resolve(mount), fields[2], false));
        }
      }
    }
    return Math.floor(quota);
  }

  private double quotaAlong(Path mount, String group, boolean v2) {
    double quota = Double.MAX_VALUE;
    Path dir = Path.of(mount + group).normalize();
    while (dir != null && dir.startsWith(mount)) {
      quota = Math.min(quota, v2 ? quotaV2(dir) : quotaV1(dir));
      dir = dir.getParent();
    }
    return quota;
  }

  private double quotaV2(Path dir) {
    List<String> max = lines(dir.resolve("cpu.max"));
    if (max.isEmpty()) {
      return Double.MAX_VALUE;
    }
    String[] fields = max.getFirst().trim().split(" ");
    return fields.length == 2 ? ratio(fields[0], fields[1]) : Double.MAX_VALUE;
  }

  private double quotaV1(Path dir) {
    List<String> quota = lines(dir.resolve("cpu.cfs_quota_us"));
    List<String> period = lines(dir.resolve("cpu.cfs_period_us"));
    return quota.isEmpty() || period.isEmpty()
        ? Double.MAX_VALUE
        : ratio(quota.getFirst().trim(), period.getFirst().trim());
  }

  /// CPUs that a quota of `quota` µs per `period` µs comes to; `max` and -1 mean no quota.
  private static double ratio(String quota, String period) {
    long q = digits(quota);
    long p = digits(period);
    return q < 0 || p <= 0 ? Double.MAX_VALUE : (double) q / p;
  }

  /// `0-3,8` as a set.
  private static BitSet cpuList(String list) {
    BitSet cpus = new BitSet();
    for (String range : list.trim().split(",")) {
      int dash = range.indexOf('-');
      long from = digits(dash < 0 ? range : range.substring(0, dash));
      long to = digits(range.substring(dash + 1));
      if (from >= 0 && to >= from && to < MAX_CPUS) {
        cpus.set((int) from, (int) to + 1);
      }
    }
    return cpus;
  }

  /// The value of a string of up to 15 digits, or -1 when it is something else.
  private static long digits(String s) {
    if (s.isEmpty() || s.length() > 15) {
      return -1;
    }
    long value = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c < '0' || c > '9') {
        return -1;
      }
      value = value * 10 + (c - '0');
    }
    return value;
  }

  /// Lines of a file; none where it is absent or not readable: the system then sets no bound here.
  private static List<String> lines(Path file) {
    try {
      return Files.exists(file) ? Files.readAllLines(file) : List.of();
    } catch (IOException e) {
      return List.of();
    }
  }
}
