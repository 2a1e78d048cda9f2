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

  /// The same with sequences as long as the model allows.
  public EngineConfig(
      int maxRows,
      int maxSequences,
      int blockSize,
      long kvPositions,
      KvType kvType,
      int maxQueuedRequests,
      int maxStallMillis,
      double decodeCost) {
    this(
        maxRows,
        maxSequences,
        blockSize,
        kvPositions,
        kvType,
        maxQueuedRequests,
        maxStallMillis,
        decodeCost,
        Integer.MAX_VALUE);
  }

  /// Room for `kvPositions` positions, F16 keys and values, steps of up to 512 rows.
  public static EngineConfig of(long kvPositions) {
    return new EngineConfig(512, 64, 32, Math.max(32, kvPositions), KvType.F16, 1024, 30, 4);
  }

  /// The same with another bound on the sequences of one step.
  public EngineConfig withMaxSequences(int most) {
    return new EngineConfig(
        maxRows,
        most,
        blockSize,
        kvPositions,
        kvType,
        maxQueuedRequests,
        maxStallMillis,
        decodeCost,
        maxContext);
  }

  /// The same with another KV type.
  public EngineConfig withKvType(KvType type) {
    return new EngineConfig(
        maxRows,
        maxSequences,
        blockSize,
        kvPositions,
        type,
        maxQueuedRequests,
        maxStallMillis,
        decodeCost,
        maxContext);
  }

  /// The same with other bounds on a step.
  public EngineConfig withStep(int rows, int sequences) {
    return new EngineConfig(
        rows,
        sequences,
        blockSize,
        kvPositions,
        kvType,
        maxQueuedRequests,
        maxStallMillis,
        decodeCost,
        maxContext);
  }

  /// The same with another bound on a sequence's tokens.
  public EngineConfig withMaxContext(int tokens) {
    return new EngineConfig(
        maxRows,
        maxSequences,
        blockSize,
        kvPositions,
        kvType,
        maxQueuedRequests,
        maxStallMillis,
        decodeCost,
        tokens);
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
