package ai.realm.runtime;

import ai.realm.engine.Priority;

/// What one tenant may take, all its running guests together. Each is checked before anything is allocated
/// for a request, and has an error of its own. Rates are buckets: as much as the rate gives in one second (or
/// minute) may come at once, then no more than the rate. CPU time is known once it is used: where it exceeds
/// the rate the call that uses it ends, and no other begins until the excess is paid off.
///
/// | limit | error |
/// |---|---|
/// | `guest` (memory, CPU and wall time of a call, module size, handles, stack, log) | [GuestLimits] says |
/// | `memoryBytes` | `MEMORY_LIMIT`; `memory.grow` answers -1 |
/// | `maxConcurrentCalls` | `TOO_MANY_CALLS` |
/// | `requestsPerSecond` | `REQUEST_RATE` |
/// | `promptTokensPerMinute`, `newTokensPerMinute` | `PROMPT_TOKEN_RATE`, `NEW_TOKEN_RATE` |
/// | `hostCallsPerSecond` | `HOST_CALL_RATE` |
/// | `cpuMillisPerSecond` | `CPU_RATE` |
/// | `maxSequences`, `maxKvBlocks`, `maxQueuedSteps` | `SEQUENCE_LIMIT`, `KV_LIMIT`, `QUEUE_FULL` |
/// | `storeBytes`, `savedKvBytes` | `STORE_LIMIT`, `SAVED_KV_LIMIT` |
/// | `layerBytes` | `LAYER_LIMIT`; the guest gets `EDQUOT` |
/// | texts of a call's arguments: 2 MiB each, 4 MiB together, always | `ARGUMENT_LIMIT` |
/// | `hostBytes` | `HOST_MEMORY_LIMIT`; guests see `EDQUOT` |
///
/// @param guest what each call may take
/// @param memoryBytes linear memory of all instances, the logits that their steps keep included
/// @param maxConcurrentCalls calls that run at once
/// @param requestsPerSecond calls that begin
/// @param promptTokensPerMinute tokens fed, but for those that the sequence itself had just sampled
/// @param newTokensPerMinute tokens sampled
/// @param hostCallsPerSecond calls of host functions
/// @param cpuMillisPerSecond guests' own CPU time, and what it takes to start their worker and compile them again
///     after it was lost
/// @param maxSequences open sequences per model
/// @param maxKvBlocks KV blocks per model
/// @param maxQueuedSteps steps that wait per model
/// @param storeBytes what its guests keep between calls
/// @param savedKvBytes sequences that its guests saved
/// @param layerBytes layers that its guests keep in host memory, 4 KiB more for each
/// @param hostBytes of the host's heap behind its guests' handles (grammars with their masks, matchers,
///     samplers, tools' answers), for the texts that its calls emit and for a saved sequence while its
///     file is read; a quarter as much besides for compiled grammars that are kept for the next time
/// @param priority who goes first when tenants compete
/// @param weight share of the engine among tenants of one priority
public record ResourceLimits(
    GuestLimits guest,
    long memoryBytes,
    int maxConcurrentCalls,
    long requestsPerSecond,
    long promptTokensPerMinute,
    long newTokensPerMinute,
    long hostCallsPerSecond,
    long cpuMillisPerSecond,
    int maxSequences,
    int maxKvBlocks,
    int maxQueuedSteps,
    long storeBytes,
    long savedKvBytes,
    long layerBytes,
    long hostBytes,
    Priority priority,
    double weight) {
  public ResourceLimits {
    check("memoryBytes", memoryBytes, 1);
    check("maxConcurrentCalls", maxConcurrentCalls, 1);
    check("requestsPerSecond", requestsPerSecond, 1);
    check("promptTokensPerMinute", promptTokensPerMinute, 1);
    check("newTokensPerMinute", newTokensPerMinute, 1);
    check("hostCallsPerSecond", hostCallsPerSecond, 1);
    check("cpuMillisPerSecond", cpuMillisPerSecond, 1);
    check("maxSequences", maxSequences, 1);
    check("maxKvBlocks", maxKvBlocks, 1);
    check("maxQueuedSteps", maxQueuedSteps, 1);
    check("storeBytes", storeBytes, 0);
    check("savedKvBytes", savedKvBytes, 0);
    check("layerBytes", layerBytes, 0);
    check("hostBytes", hostBytes, 1);
    if (!(weight > 0)) {
      throw new IllegalArgumentException("weight: expected above 0, found " + weight);
    }
  }

  private static void check(String name, long value, long least) {
    if (value < least) {
      throw new IllegalArgumentException(
          "%s: expected at least %d, found %d".formatted(name, least, value));
    }
  }

  /// Only what each call may take is bounded, and what guests keep as [#builder] says, layers by the host alone:
  /// for a single user.
  public static ResourceLimits unbounded(GuestLimits guest) {
    return builder().guest(guest).layerBytes(Long.MAX_VALUE).build();
  }

  /// Limits that are unbounded until set, but for what guests keep: 1 MiB of values, 64 MiB of saved sequences,
  /// 64 MiB of layers.
  public static Builder builder() {
    return new Builder();
  }

  /// Collects limits.
  public static final class Builder {
    private GuestLimits guest = GuestLimits.DEFAULT;
    private long memoryBytes = Long.MAX_VALUE;
    private int maxConcurrentCalls = Integer.MAX_VALUE;
    private long requestsPerSecond = Long.MAX_VALUE;
    private long promptTokensPerMinute = Long.MAX_VALUE;
    private long newTokensPerMinute = Long.MAX_VALUE;
    private long hostCallsPerSecond = Long.MAX_VALUE;
    private long cpuMillisPerSecond = Long.MAX_VALUE;
    private int maxSequences = Integer.MAX_VALUE;
    private int maxKvBlocks = Integer.MAX_VALUE;
    private int maxQueuedSteps = Integer.MAX_VALUE;
    private long storeBytes = 1 << 20;
    private long savedKvBytes = 64 << 20;
    private long layerBytes = 64 << 20;
    private long hostBytes = 64 << 20;
    private Priority priority = Priority.NORMAL;
    private double weight = 1;

    private Builder() {}

    /// What each call may take.
    public Builder guest(GuestLimits value) {
      guest = value;
      return this;
    }

    /// Linear memory of all instances.
    public Builder memoryBytes(long value) {
      memoryBytes = value;
      return this;
    }

    /// Calls that run at once.
    public Builder maxConcurrentCalls(int value) {
      maxConcurrentCalls = value;
      return this;
    }

    /// Calls that begin.
    public Builder requestsPerSecond(long value) {
      requestsPerSecond = value;
      return this;
    }

    /// Tokens fed in prompts.
    public Builder promptTokensPerMinute(long value) {
      promptTokensPerMinute = value;
      return this;
    }

    /// Tokens sampled.
    public Builder newTokensPerMinute(long value) {
      newTokensPerMinute = value;
      return this;
    }

    /// Calls of host functions.
    public Builder hostCallsPerSecond(long value) {
      hostCallsPerSecond = value;
      return this;
    }

    /// Guests' own CPU time.
    public Builder cpuMillisPerSecond(long value) {
      cpuMillisPerSecond = value;
      return this;
    }

    /// Open sequences per model.
    public Builder maxSequences(int value) {
      maxSequences = value;
      return this;
    }

    /// KV blocks per model.
    public Builder maxKvBlocks(int value) {
      maxKvBlocks = value;
      return this;
    }

    /// Steps that wait per model.
    public Builder maxQueuedSteps(int value) {
      maxQueuedSteps = value;
      return this;
    }

    /// What guests keep between calls.
    public Builder storeBytes(long value) {
      storeBytes = value;
      return this;
    }

    /// Sequences that guests saved, tokens and KV blocks together.
    public Builder savedKvBytes(long value) {
      savedKvBytes = value;
      return this;
    }

    /// Layers that guests keep in host memory, 4 KiB more for each.
    public Builder layerBytes(long value) {
      layerBytes = value;
      return this;
    }

    /// The host's own memory behind handles and for emitted texts.
    public Builder hostBytes(long value) {
      hostBytes = value;
      return this;
    }

    /// Who goes first when tenants compete.
    public Builder priority(Priority value) {
      priority = value;
      return this;
    }

    /// Share of the engine among tenants of one priority.
    public Builder weight(double value) {
      weight = value;
      return this;
    }

    /// The limits.
    public ResourceLimits build() {
      return new ResourceLimits(
          guest,
          memoryBytes,
          maxConcurrentCalls,
          requestsPerSecond,
          promptTokensPerMinute,
          newTokensPerMinute,
          hostCallsPerSecond,
          cpuMillisPerSecond,
          maxSequences,
          maxKvBlocks,
          maxQueuedSteps,
          storeBytes,
          savedKvBytes,
          layerBytes,
          hostBytes,
          priority,
          weight);
    }
  }
}
