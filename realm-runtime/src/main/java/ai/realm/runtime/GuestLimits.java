package ai.realm.runtime;

import java.time.Duration;

/// What a guest may take.
///
/// @param maxMemoryBytes linear memory of an instance
/// @param deadline the longest that one call may run, waiting for steps included
/// @param maxModuleBytes size of the WebAssembly module
/// @param maxHandles open models, sequences and matchers together
/// @param stackBytes stack of the guest's thread
public record GuestLimits(
    long maxMemoryBytes, Duration deadline, int maxModuleBytes, int maxHandles, long stackBytes) {
  /// 64 MiB of memory, ten minutes a call.
  public static final GuestLimits DEFAULT =
      new GuestLimits(64L << 20, Duration.ofMinutes(10), 4 << 20, 1024, 512 << 10);

  public GuestLimits {
    if (maxMemoryBytes < 1 << 16 || maxMemoryBytes > 1L << 31) {
      throw new IllegalArgumentException(
          "maxMemoryBytes: expected 64 KiB to 2 GiB, found " + maxMemoryBytes);
    }
    if (!deadline.isPositive() || maxModuleBytes < 8 || maxHandles < 1 || stackBytes < 1 << 16) {
      throw new IllegalArgumentException(
          "expected a positive deadline, module size and handles and 64 KiB of stack, found "
              + "%s, %d, %d, %d".formatted(deadline, maxModuleBytes, maxHandles, stackBytes));
    }
  }

  /// The same with another deadline.
  public GuestLimits withDeadline(Duration longest) {
    return new GuestLimits(maxMemoryBytes, longest, maxModuleBytes, maxHandles, stackBytes);
  }

  /// The same with another bound on memory.
  public GuestLimits withMaxMemoryBytes(long bytes) {
    return new GuestLimits(bytes, deadline, maxModuleBytes, maxHandles, stackBytes);
  }
}
