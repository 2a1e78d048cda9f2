package ai.realm.compute;

/// Shape of a paged KV store. Within a block and layer, keys lie as `(kvHeads, blockSize, keyLength)`
/// and values as `(kvHeads, blockSize, valueLength)`, so that one head's positions are contiguous.
///
/// @param layers layers that keep keys and values
/// @param kvHeads key/value heads
/// @param keyLength elements of a key head
/// @param valueLength elements of a value head
/// @param blockSize positions per block
/// @param type how elements are stored
/// @param stateFloats floats of running state that recurrent layers leave in each block: the state
///     after the block's last written position, so that a full block can be shared and a copied one
///     continued; 0 for models without such layers
public record KvLayout(
    int layers,
    int kvHeads,
    int keyLength,
    int valueLength,
    int blockSize,
    KvType type,
    int stateFloats) {
  public KvLayout {
    if (layers < 0
        || stateFloats < 0
        || (layers == 0 && stateFloats == 0)
        || kvHeads < 1
        || keyLength < 1
        || valueLength < 1
        || blockSize < 1) {
      throw new IllegalArgumentException(
          "expected positive layers, heads, lengths and block size, found %d, %d, %d, %d, %d"
              .formatted(layers, kvHeads, keyLength, valueLength, blockSize));
    }
    if (type == KvType.Q8_0 && (keyLength % 32 != 0 || valueLength % 32 != 0)) {
      throw new IllegalArgumentException(
          "Q8_0 KV needs head lengths that are multiples of 32, found keys %d, values %d"
              .formatted(keyLength, valueLength));
    }
  }

  /// A layout without running state.
  public KvLayout(
      int layers, int kvHeads, int keyLength, int valueLength, int blockSize, KvType type) {
    this(layers, kvHeads, keyLength, valueLength, blockSize, type, 0);
  }

  /// Bytes of the keys of one layer of one block.
  public long keyBytes() {
    return type.byteSize((long) kvHeads * blockSize * keyLength);
  }

  /// Bytes of the values of one layer of one block.
  public long valueBytes() {
    return type.byteSize((long) kvHeads * blockSize * valueLength);
  }

  /// Bytes of one block: keys and values of all layers, then the running state.
  public long blockBytes() {
    return layers * (keyBytes() + valueBytes()) + (long) stateFloats * Float.BYTES;
  }
}
