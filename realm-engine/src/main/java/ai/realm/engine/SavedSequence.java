package ai.realm.engine;

import ai.realm.compute.KvLayout;

/// A sequence outside of the engine: its tokens, and copies of the blocks with the keys and values of the
/// first of them. The arrays are not copied again; nobody changes them.
///
/// @param layout of the blocks
/// @param tokens the whole history
/// @param cached positions whose keys and values are in the blocks; those behind are computed again
/// @param blocks copies of KV blocks, each of [KvLayout#blockBytes] bytes
public record SavedSequence(KvLayout layout, int[] tokens, int cached, byte[][] blocks) {
  public SavedSequence {
    if (cached < 0 || cached > tokens.length) {
      throw new IllegalArgumentException(
          "saved sequence: expected 0 to %d cached positions, found %d"
              .formatted(tokens.length, cached));
    }
    if (blocks.length != blocksFor(layout, cached)) {
      throw new IllegalArgumentException(
          "saved sequence: expected %d blocks for %d positions, found %d"
              .formatted(blocksFor(layout, cached), cached, blocks.length));
    }
    for (byte[] block : blocks) {
      if (block.length != layout.blockBytes()) {
        throw new IllegalArgumentException(
            "saved sequence: expected blocks of %d bytes, found %d"
                .formatted(layout.blockBytes(), block.length));
      }
    }
  }

  /// Blocks that `positions` positions take.
  public static int blocksFor(KvLayout layout, int positions) {
    return Math.ceilDiv(positions, layout.blockSize());
  }

  /// Bytes of tokens and blocks.
  public long bytes() {
    return bytes(layout, tokens.length, cached);
  }

  /// Bytes that so many tokens with so many cached positions take.
  public static long bytes(KvLayout layout, int tokens, int cached) {
    return 4L * tokens + blocksFor(layout, cached) * layout.blockBytes();
  }
}
