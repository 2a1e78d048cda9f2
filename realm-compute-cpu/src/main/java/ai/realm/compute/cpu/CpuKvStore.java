package ai.realm.compute.cpu;

import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/// KV blocks in one piece of off-heap memory, laid out as [KvLayout] says:
///
/// ```
/// block 0 | block 1 | …
///   layer 0 | layer 1 | …
///     keys (kvHeads, blockSize, keyLength) | values (kvHeads, blockSize, valueLength)
///   running state (stateFloats)
/// ```
///
/// One head's keys (or values) of one position are a row: F32, F16 (native byte order), or Q8_0 blocks
/// of 34 bytes: an F16 scale and 32 signed bytes (`block_q8_0` in ggml-common.h).
final class CpuKvStore implements KvStore {
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort F16 = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final int Q8_WEIGHTS = 32;
  private static final int Q8_BYTES = 34;

  private final KvLayout layout;
  private final int blocks;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment segment;
  private final long blockBytes;
  private final long layerBytes;
  private final long keyRowBytes;
  private final long valueRowBytes;

  CpuKvStore(KvLayout layout, int blocks, OffHeap from) {
    if (blocks < 1) {
      throw new IllegalArgumentException("expected at least 1 KV block, found " + blocks);
    }
    this.layout = layout;
    this.blocks = blocks;
    blockBytes = layout.blockBytes();
    layerBytes = layout.keyBytes() + layout.valueBytes();
    keyRowBytes = layout.type().byteSize(layout.keyLength());
    valueRowBytes = layout.type().byteSize(layout.valueLength());
    segment = from.allocate(arena, Math.multiplyExact(blockBytes, (long) blocks));
  }

  @Override
  public KvLayout layout() {
    return layout;
  }

  @Override
  public int blocks() {
    return blocks;
  }

  /// All blocks.
  MemorySegment segment() {
    return segment;
  }

  /// Address of block 0, for native kernels.
  ///
  /// @throws IllegalStateException when the store was closed
  long address() {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("KV store of %d blocks: used after close".formatted(blocks));
    }
    return segment.address();
  }

  /// Bytes of one key head of one position: the stride between a head's positions within a block.
  long keyRowBytes() {
    return keyRowBytes;
  }

  /// Bytes of one value head of one position.
  long valueRowBytes() {
    return valueRowBytes;
  }

  /// Byte offset of the key row of `head` at position `slot` of `block`.
  ///
  /// @throws IndexOutOfBoundsException when an index is outside the layout
  long keyOffset(int block, int layer, int head, int slot) {
    return layerOffset(block, layer, head, slot)
        + ((long) head * layout.blockSize() + slot) * keyRowBytes;
  }

  /// Byte offset of the value row of `head` at position `slot` of `block`.
  ///
  /// @throws IndexOutOfBoundsException when an index is outside the layout
  long valueOffset(int block, int layer, int head, int slot) {
    return layerOffset(block, layer, head, slot)
        + layout.keyBytes()
        + ((long) head * layout.blockSize() + slot) * valueRowBytes;
  }

  private long layerOffset(int block, int layer, int head, int slot) {
    Objects.checkIndex(block, blocks);
    Objects.checkIndex(layer, layout.layers());
    Objects.checkIndex(head, layout.kvHeads());
    Objects.checkIndex(slot, layout.blockSize());
    return block * blockBytes + layer * layerBytes;
  }

  /// Stores `count` floats of `from`, beginning at element `fromIndex`, as a row at byte `offset`.
  void storeRow(long offset, MemorySegment from, long fromIndex, int count) {
    long source = fromIndex * Float.BYTES;
    switch (layout.type()) {
      case F32 -> MemorySegment.copy(from, source, segment, offset, (long) count * Float.BYTES);
      case F16 -> {
        for (int i = 0; i < count; i++) {
          float value = from.get(F32, source + (long) i * Float.BYTES);
          segment.set(F16, offset + (long) i * Short.BYTES, Float.floatToFloat16(value));
        }
      }
      case Q8_0 -> {
        for (int b = 0; b < count / Q8_WEIGHTS; b++) {
          storeQ8Block(
              offset + (long) b * Q8_BYTES, from, source + (long) b * Q8_WEIGHTS * Float.BYTES);
        }
      }
    }
  }

  /// `quantize_row_q8_0_ref` of ggml: scale = max |x| / 127, weights rounded half away from zero.
  private void storeQ8Block(long offset, MemorySegment from, long source) {
    float max = 0;
    for (int i = 0; i < Q8_WEIGHTS; i++) {
      max = Math.max(max, Math.abs(from.get(F32, source + (long) i * Float.BYTES)));
    }
    float scale = max / 127;
    float inverse = scale == 0 ? 0 : 1 / scale;
    segment.set(F16, offset, Float.floatToFloat16(scale));
    for (int i = 0; i < Q8_WEIGHTS; i++) {
      float x = from.get(F32, source + (long) i * Float.BYTES) * inverse;
      int rounded = (int) (Math.abs(x) + 0.5f);
      segment.set(ValueLayout.JAVA_BYTE, offset + 2 + i, (byte) (x < 0 ? -rounded : rounded));
    }
  }

  /// Loads the row of `count` elements at byte `offset` as floats.
  void loadRow(long offset, float[] to, int toOffset, int count) {
    switch (layout.type()) {
      case F32 -> MemorySegment.copy(segment, F32, offset, to, toOffset, count);
      case F16 -> {
        for (int i = 0; i < count; i++) {
          to[toOffset + i] =
              Float.float16ToFloat(segment.get(F16, offset + (long) i * Short.BYTES));
        }
      }
      case Q8_0 -> {
        for (int i = 0; i < count; i++) {
          long block = offset + (long) (i / Q8_WEIGHTS) * Q8_BYTES;
          float scale = Float.float16ToFloat(segment.get(F16, block));
          to[toOffset + i] = scale * segment.get(ValueLayout.JAVA_BYTE, block + 2 + i % Q8_WEIGHTS);
        }
      }
    }
  }

  @Override
  public void readState(int block, int offset, float[] to, int count) {
    MemorySegment.copy(segment, F32, stateOffset(block, offset, count), to, 0, count);
  }

  @Override
  public void writeState(int block, int offset, float[] from, int count) {
    MemorySegment.copy(from, 0, segment, F32, stateOffset(block, offset, count), count);
  }

  private long stateOffset(int block, int offset, int count) {
    Objects.checkIndex(block, blocks);
    Objects.checkFromIndexSize(offset, count, layout.stateFloats());
    return block * blockBytes + layout.layers() * layerBytes + (long) offset * Float.BYTES;
  }

  /// Type of the stored elements.
  KvType type() {
    return layout.type();
  }

  @Override
  public void copyBlock(int from, int to) {
    Objects.checkIndex(from, blocks);
    Objects.checkIndex(to, blocks);
    MemorySegment.copy(segment, from * blockBytes, segment, to * blockBytes, blockBytes);
  }

  @Override
  public void readBlock(int block, byte[] to) {
    MemorySegment.copy(whole(block, to), 0, MemorySegment.ofArray(to), 0, blockBytes);
  }

  @Override
  public void writeBlock(int block, byte[] from) {
    MemorySegment.copy(MemorySegment.ofArray(from), 0, whole(block, from), 0, blockBytes);
  }

  private MemorySegment whole(int block, byte[] other) {
    Objects.checkIndex(block, blocks);
    if (other.length != blockBytes) {
      throw new IllegalArgumentException(
          "KV block: expected %d bytes, found %d".formatted(blockBytes, other.length));
    }
    return segment.asSlice(block * blockBytes, blockBytes);
  }

  @Override
  public void clearBlock(int block) {
    Objects.checkIndex(block, blocks);
    segment.asSlice(block * blockBytes, blockBytes).fill((byte) 0);
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
