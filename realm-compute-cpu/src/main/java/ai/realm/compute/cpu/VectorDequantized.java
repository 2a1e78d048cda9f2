package ai.realm.compute.cpu;

import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import org.jspecify.annotations.Nullable;

/// Any type that has a [BlockCodec] but no kernel of its own: each row is dequantized by the codec, then
/// multiplied in vectors. Correct, and several times slower than the types that are unpacked in
/// registers.
class VectorDequantized extends FloatRows {
  private final GgmlType type;

  // Looked up when first needed; any thread that looks it up finds an equal one.
  private volatile @Nullable BlockCodec codec;

  VectorDequantized(GgmlType type) {
    super(type);
    this.type = type;
  }

  @Override
  boolean isFast() {
    return false;
  }

  @Override
  void load(long address, int count, Scratch scratch) {
    BlockCodec found = codec;
    if (found == null) {
      found = BlockCodec.of(type);
      codec = found;
    }
    found.dequantize(Lanes.MEMORY, address, scratch.floats(count), 0, count);
  }
}
