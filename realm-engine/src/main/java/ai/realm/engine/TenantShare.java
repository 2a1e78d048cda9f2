package ai.realm.engine;

/// A tenant's part of an engine.
///
/// @param priority who goes first when tenants compete
/// @param weight share of the compute among tenants of one priority, relative to the others' weights
/// @param maxSequences the most open sequences
/// @param maxKvBlocks the most KV blocks that its sequences hold, those of admitted steps included
/// @param maxQueuedRequests the most step requests that wait; twice as many of sequences that have begun
public record TenantShare(
    Priority priority, double weight, int maxSequences, int maxKvBlocks, int maxQueuedRequests) {
  /// Weight 1 and no bounds but the engine's.
  public static final TenantShare UNBOUNDED =
      new TenantShare(1, Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE);

  /// Of normal priority.
  public TenantShare(double weight, int maxSequences, int maxKvBlocks, int maxQueuedRequests) {
    this(Priority.NORMAL, weight, maxSequences, maxKvBlocks, maxQueuedRequests);
  }

  public TenantShare {
    if (!(weight > 0 && weight <= 1e6)) {
      throw new IllegalArgumentException("weight: expected above 0 to 1e6, found " + weight);
    }
    if (maxSequences < 1 || maxKvBlocks < 1 || maxQueuedRequests < 1) {
      throw new IllegalArgumentException(
          "expected positive bounds, found %d sequences, %d blocks, %d requests"
              .formatted(maxSequences, maxKvBlocks, maxQueuedRequests));
    }
  }
}
