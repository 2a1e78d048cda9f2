package ai.realm.engine;

import ai.realm.compute.KvType;

/// Sizes and bounds of an engine.
///
/// @param maxRows the most rows of one forward step; a longer prompt takes several
/// @param maxSequences the most sequences of one forward step
/// @param blockSize positions per KV block
/// @param kvPositions positions that the KV store holds for all sequences together; rounded up to blocks
/// @param kvType how keys and values are stored
/// @param maxQueuedRequests the most step requests that wait, over all tenants; twice as many of sequences that
///     have begun
/// @param maxStallMillis how long the prompt rows of one step may take while somebody decodes or
///     several tenants wait
/// @param decodeCost what a decoded token costs a tenant's share, in prompt tokens
/// @param maxContext the most tokens of a sequence; the model's own bound holds as well
public record EngineConfig(
    int maxRows,
    int maxSequences,
    int blockSize,
    long kvPositions,
    KvType kvType,
    int maxQueuedRequests,
    int maxStallMillis,
    double decodeCost,
    int maxContext) {
  public EngineConfig {
    if (maxRows < 1 || maxSequences < 1 || blockSize < 1 || maxQueuedRequests < 1) {
      throw new IllegalArgumentException(
          "expected positive maxRows, maxSequences, blockSize and maxQueuedRequests, found %d, %d, %d, %d"
              .formatted(maxRows, maxSequences, blockSize, maxQueuedRequests));
    }
    if (kvPositions < blockSize || kvPositions / blockSize > Integer.MAX_VALUE - 1) {
      throw new IllegalArgumentException(
          "kvPositions: expected at least a block of %d, found %d"
              .formatted(blockSize, kvPositions));
    }
    if (maxContext < 1) {
      throw new IllegalArgumentException("expected positive maxContext, found " + maxContext);
    }
    if (maxStallMillis < 1 || !(decodeCost > 0)) {
      throw new IllegalArgumentException(
          "expected positive maxStallMillis and decodeCost, found %d, %s"
              .formatted(maxStallMillis, decodeCost));
    }
  }

  /// Room for `kvPositions` positions, at least 32 of them, and otherwise what [#builder] says.
  public static EngineConfig of(long kvPositions) {
    return builder().kvPositions(Math.max(32, kvPositions)).build();
  }

  /// Steps of up to 512 rows and 64 sequences, blocks of 32 positions in F16, 1024 requests that wait, stalls of up to
  /// 30 ms, a decoded token at the price of 4 of a prompt, sequences as long as the model allows. How many positions
  /// there are is to be set.
  public static Builder builder() {
    return new Builder();
  }

  /// A builder that starts from this.
  public Builder toBuilder() {
    return new Builder()
        .maxRows(maxRows)
        .maxSequences(maxSequences)
        .blockSize(blockSize)
        .kvPositions(kvPositions)
        .kvType(kvType)
        .maxQueuedRequests(maxQueuedRequests)
        .maxStallMillis(maxStallMillis)
        .decodeCost(decodeCost)
        .maxContext(maxContext);
  }

  /// Collects sizes and bounds; [#build] checks them.
  public static final class Builder {
    private int maxRows = 512;
    private int maxSequences = 64;
    private int blockSize = 32;
    private long kvPositions;
    private KvType kvType = KvType.F16;
    private int maxQueuedRequests = 1024;
    private int maxStallMillis = 30;
    private double decodeCost = 4;
    private int maxContext = Integer.MAX_VALUE;

    private Builder() {}

    /// The most rows of one forward step.
    public Builder maxRows(int value) {
      maxRows = value;
      return this;
    }

    /// The most sequences of one forward step.
    public Builder maxSequences(int value) {
      maxSequences = value;
      return this;
    }

    /// Positions per KV block.
    public Builder blockSize(int positions) {
      blockSize = positions;
      return this;
    }

    /// Positions that the KV store holds for all sequences together; rounded up to blocks.
    public Builder kvPositions(long value) {
      kvPositions = value;
      return this;
    }

    /// How keys and values are stored.
    public Builder kvType(KvType value) {
      kvType = value;
      return this;
    }

    /// The most step requests that wait, over all tenants.
    public Builder maxQueuedRequests(int value) {
      maxQueuedRequests = value;
      return this;
    }

    /// How long the prompt rows of one step may take while others wait.
    public Builder maxStallMillis(int value) {
      maxStallMillis = value;
      return this;
    }

    /// What a decoded token costs a tenant's share, in prompt tokens.
    public Builder decodeCost(double promptTokens) {
      decodeCost = promptTokens;
      return this;
    }

    /// The most tokens of a sequence.
    public Builder maxContext(int tokens) {
      maxContext = tokens;
      return this;
    }

    /// The sizes and bounds.
    ///
    /// @throws IllegalArgumentException where one is not positive or the positions do not fill a block
    public EngineConfig build() {
      return new EngineConfig(
          maxRows,
          maxSequences,
          blockSize,
          kvPositions,
          kvType,
          maxQueuedRequests,
          maxStallMillis,
          decodeCost,
          maxContext);
    }
  }

  /// Blocks that hold `positions` positions.
  int blocksFor(int positions) {
    return (positions + blockSize - 1) / blockSize;
  }

  /// Number of KV blocks.
  int blocks() {
    return (int) ((kvPositions + blockSize - 1) / blockSize);
  }
}
