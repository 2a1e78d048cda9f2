package ai.realm.compute;

/// A pool of KV blocks in a backend's memory. Which sequence owns which block is the engine's
/// business; the store knows only block numbers from 0 to `blocks() - 1`.
public interface KvStore extends AutoCloseable {
  /// Shape of a block.
  KvLayout layout();

  /// Number of blocks.
  int blocks();

  /// Copies all layers of block `from` over block `to` (copy-on-write after a fork).
  void copyBlock(int from, int to);

  /// Zeroes a block, so that nothing of its last owner remains.
  void clearBlock(int block);

  /// Frees the memory.
  @Override
  void close();
}
