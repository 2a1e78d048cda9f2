package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// A codec that takes one block at a time. The static methods read and write the fields of a
/// block.
non-sealed interface BlockwiseCodec extends BlockCodec {
  ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /// Decodes the block at byte `at` of `src` into `dst`, from index `to` on.
  void decodeBlock(MemorySegment src, long at, float[] dst, int to);

  @Override
  default void dequantize(
      MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
    int blockSize = type().blockSize();
    int blockBytes = type().blockBytes();
    int blocks = count / blockSize;
    for (int b = 0; b < blocks; b++) {
      decodeBlock(src, srcOffset + (long) b * blockBytes, dst, dstOffset + b * blockSize);
    }
  }

  /// The unsigned byte at an offset.
  static int u8(MemorySegment src, long offset) {
    return src.get(ValueLayout.JAVA_BYTE, offset) & 0xff;
  }

  /// The signed byte at an offset.
  static int i8(MemorySegment src, long offset) {
    return src.get(ValueLayout.JAVA_BYTE, offset);
  }

  /// The unsigned 16-bit number at an offset.
  static int u16(MemorySegment src, long offset) {
    return src.get(SHORT, offset) & 0xffff;
  }

  /// The 32 bits at an offset.
  static int u32(MemorySegment src, long offset) {
    return src.get(INT, offset);
  }

  /// The IEEE half at an offset.
  static float half(MemorySegment src, long offset) {
    return Float.float16ToFloat(src.get(SHORT, offset));
  }

  @Override
  default void quantize(
      float[] src,
      int srcOffset,
      int count,
      float @Nullable [] importance,
      MemorySegment dst,
      long dstOffset) {
    encode(BlockEncoder.of(type(), false), src, srcOffset, count, importance, dst, dstOffset);
  }

  @Override
  default void quantizeOnce(
      float[] src, int srcOffset, int count, MemorySegment dst, long dstOffset) {
    encode(BlockEncoder.of(type(), true), src, srcOffset, count, null, dst, dstOffset);
  }

  private void encode(
      BlockEncoder encoder,
      float[] src,
      int srcOffset,
      int count,
      float @Nullable [] importance,
      MemorySegment dst,
      long dstOffset) {
    int blockSize = type().blockSize();
    int blockBytes = type().blockBytes();
    if (count % blockSize != 0 || (importance != null && importance.length < count)) {
      throw new IllegalArgumentException(
          "%s: expected a multiple of %d weights and as many importances, found %d and %s"
              .formatted(
                  type(), blockSize, count, importance == null ? "none" : importance.length));
    }
    encoder.startRow(src, srcOffset, count);
    for (int i = 0; i < count; i += blockSize) {
      long to = dstOffset + (long) (i / blockSize) * blockBytes;
      encoder.encodeBlock(src, srcOffset + i, importance, i, dst, to);
    }
  }

  /// Stores the lowest byte.
  static void putU8(MemorySegment dst, long offset, int value) {
    dst.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
  }

  /// Stores the nearest IEEE half.
  static void putHalf(MemorySegment dst, long offset, float value) {
    dst.set(SHORT, offset, Float.floatToFloat16(value));
  }
}
