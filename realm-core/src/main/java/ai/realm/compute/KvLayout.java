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
public record KvLayout(
    int layers, int kvHeads, int keyLength, int valueLength, int blockSize, KvType type) {
  public KvLayout {
    if (layers < 1 || kvHeads < 1 || keyLength < 1 || valueLength < 1 || blockSize < 1) {
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

  /// Bytes of the keys of one layer of one block.
  public long keyBytes() {
    return type.byteSize((long) kvHeads * blockSize * keyLength);
  }

  /// Bytes of the values of one layer of one block.
  public long valueBytes() {
    return type.byteSize((long) kvHeads * blockSize * valueLength);
  }

  /// Bytes of one block: keys and values of all layers.
  public long blockBytes() {
    return layers * (keyBytes() + valueBytes());
  }
}
