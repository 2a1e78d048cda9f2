package ai.realm.runtime;

import java.time.Duration;

/// What one call of a guest may take.
///
/// @param maxMemoryBytes linear memory of an instance, and as much again for logits that its steps keep; `memory.grow` past it answers -1, and a module
///     that starts with more is refused
/// @param deadline the longest that one call may run, waiting for steps included: `GUEST_DEADLINE`
/// @param cpuTime CPU time of one call, waiting for steps not included: `GUEST_CPU`
/// @param maxModuleBytes size of the WebAssembly module
/// @param maxHandles open models, sequences, tickets and blobs together: `EDQUOT`, `HANDLE_LIMIT`
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
    if (!deadline.isPositive()
        || !cpuTime.isPositive()
        || maxModuleBytes < 8
        || maxHandles < 1
        || stackBytes < 1 << 16
        || logBytes < 0) {
      throw new IllegalArgumentException(
          "expected positive deadline, CPU time, module size and handles, 64 KiB of stack, found "
              + "%s, %s, %d, %d, %d"
                  .formatted(deadline, cpuTime, maxModuleBytes, maxHandles, stackBytes));
    }
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
