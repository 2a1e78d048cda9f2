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

  /// Copies running state of block `block` to `to`: `count` floats from `offset` of the
  /// [KvLayout#stateFloats].
  default void readState(int block, int offset, float[] to, int count) {
    throw new UnsupportedOperationException("this store keeps no running state");
  }

  /// Copies `count` floats of running state into block `block` at `offset`.
  default void writeState(int block, int offset, float[] from, int count) {
    throw new UnsupportedOperationException("this store keeps no running state");
  }

  /// Copies a block out, as [KvLayout] lays it out, little-endian.
  ///
  /// @param to [KvLayout#blockBytes] bytes
  void readBlock(int block, byte[] to);

  /// Copies a block in that [#readBlock] copied out of a store of the same layout.
  void writeBlock(int block, byte[] from);

  /// Zeroes a block, so that nothing of its last owner remains.
  void clearBlock(int block);

  /// Frees the memory.
  @Override
  void close();
}
