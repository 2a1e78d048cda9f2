package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Turns stored weights into floats, one implementation per [GgmlType].
public interface BlockCodec {
  /// Dequantizes `count` weights, a multiple of the type's block size, from byte `srcOffset`.
  void dequantize(MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count);

  /// The codec of a type.
  ///
  /// @throws IllegalArgumentException for a type without one
  static BlockCodec of(GgmlType type) {
    ValueLayout.OfShort u16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    return switch (type) {
      case F32 ->
          (src, srcOffset, dst, dstOffset, count) ->
              MemorySegment.copy(
                  src,
                  ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
                  srcOffset,
                  dst,
                  dstOffset,
                  count);
      case F16 ->
          (src, srcOffset, dst, dstOffset, count) -> {
            for (int i = 0; i < count; i++) {
              dst[dstOffset + i] = Float.float16ToFloat(src.get(u16, srcOffset + 2L * i));
            }
          };
      case BF16 ->
          (src, srcOffset, dst, dstOffset, count) -> {
            for (int i = 0; i < count; i++) {
              dst[dstOffset + i] = Float.intBitsToFloat(src.get(u16, srcOffset + 2L * i) << 16);
            }
          };
      case Q8_0 ->
          (src, srcOffset, dst, dstOffset, count) -> {
            for (int i = 0; i < count; i++) {
              long block = srcOffset + i / 32 * 34L;
              float scale = Float.float16ToFloat(src.get(u16, block));
              dst[dstOffset + i] = scale * src.get(ValueLayout.JAVA_BYTE, block + 2 + i % 32);
            }
          };
      default -> throw new IllegalArgumentException("no codec for " + type);
    };
  }
}
