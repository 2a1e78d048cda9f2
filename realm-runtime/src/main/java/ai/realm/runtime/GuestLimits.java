package ai.realm.runtime;

import java.time.Duration;

/// What one call of a guest may take: of one export. A `generate` of [MultiRealmManager] may be three of them, `load_model` where an instance
/// has not loaded the model yet, its own `generate`, and the default guest's where that stands in.
///
/// @param maxMemoryBytes linear memory of an instance, and as much again for logits that its steps keep; `memory.grow` past it answers -1, and a module
///     that starts with more is refused
/// @param deadline the longest that one call may run, waiting for steps included: `GUEST_DEADLINE`
/// @param cpuTime CPU time of one call, waiting for steps not included: `GUEST_CPU`
/// @param maxModuleBytes size of the WebAssembly module: `GUEST_INVALID`
/// @param maxHandles what is open at once, of all kinds together: `EDQUOT`, `HANDLE_LIMIT`
/// @param stackBytes stack of the guest's thread: `GUEST_TRAP`
/// @param logBytes of one call, each line 16 more than it has; what is more is dropped: `EDQUOT`, `LOG_LIMIT`
public record GuestLimits(
    long maxMemoryBytes,
    Duration deadline,
    Duration cpuTime,
    int maxModuleBytes,
    int maxHandles,
    long stackBytes,
    int logBytes) {
  /// The longest of all durations: with what the clock says it still fits into a `long` of nanoseconds.
  static final Duration LONGEST = Duration.ofDays(36_500);

  /// 64 MiB of memory, ten minutes a call, one of them on the CPU.
  public static final GuestLimits DEFAULT =
      new GuestLimits(
          64L << 20,
          Duration.ofMinutes(10),
          Duration.ofMinutes(1),
          4 << 20,
          1024,
          512 << 10,
          64 << 10);

  public GuestLimits {
    if (maxMemoryBytes < 1 << 16 || maxMemoryBytes > 1L << 31) {
      throw new IllegalArgumentException(
          "maxMemoryBytes: expected 64 KiB to 2 GiB, found " + maxMemoryBytes);
    }
    if (!isDuration(deadline)
        || !isDuration(cpuTime)
        || maxModuleBytes < 8
        || maxHandles < 1
        || stackBytes < 1 << 16
        || logBytes < 0) {
      throw new IllegalArgumentException(
          "expected deadline and CPU time above 0 and of 100 years at most, a module of 8 bytes, 1 handle, 64 KiB of "
              + "stack and log bytes of 0 at the least, found %s, %s, %d, %d, %d, %d"
                  .formatted(deadline, cpuTime, maxModuleBytes, maxHandles, stackBytes, logBytes));
    }
  }

  /// Whether it is above 0 and no longer than [#LONGEST].
  static boolean isDuration(Duration duration) {
    return duration.isPositive() && duration.compareTo(LONGEST) <= 0;
  }

  /// The same with another deadline.
  public GuestLimits withDeadline(Duration longest) {
    return new GuestLimits(
        maxMemoryBytes, longest, cpuTime, maxModuleBytes, maxHandles, stackBytes, logBytes);
  }

  /// The same with another bound on CPU time.
  public GuestLimits withCpuTime(Duration longest) {
    return new GuestLimits(
        maxMemoryBytes, deadline, longest, maxModuleBytes, maxHandles, stackBytes, logBytes);
  }

  /// The same with another bound on memory.
  public GuestLimits withMaxMemoryBytes(long bytes) {
    return new GuestLimits(
        bytes, deadline, cpuTime, maxModuleBytes, maxHandles, stackBytes, logBytes);
  }

  /// The same with another bound on the module.
  public GuestLimits withMaxModuleBytes(int bytes) {
    return new GuestLimits(
        maxMemoryBytes, deadline, cpuTime, bytes, maxHandles, stackBytes, logBytes);
  }

  /// The same with another bound on logs.
  public GuestLimits withLogBytes(int bytes) {
    return new GuestLimits(
        maxMemoryBytes, deadline, cpuTime, maxModuleBytes, maxHandles, stackBytes, bytes);
  }
}
