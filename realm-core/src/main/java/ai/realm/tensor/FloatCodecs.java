package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// The plain float types.
final class FloatCodecs {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private FloatCodecs() {}

  /// F32: 4 bytes a weight, IEEE single.
  record F32() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.F32;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      MemorySegment.copy(src, FLOAT, srcOffset, dst, dstOffset, count);
    }
  }

  /// F16: 2 bytes a weight, IEEE half.
  record F16() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.F16;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      for (int i = 0; i < count; i++) {
        dst[dstOffset + i] = BlockwiseCodec.half(src, srcOffset + 2L * i);
      }
    }
  }

  /// BF16: 2 bytes a weight, the upper half of an IEEE single.
  record Bf16() implements BlockCodec {
    @Override
    public GgmlType type() {
      return GgmlType.BF16;
    }

    @Override
    public void dequantize(
        MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count) {
      for (int i = 0; i < count; i++) {
        int bits = src.get(BlockwiseCodec.SHORT, srcOffset + 2L * i) << 16;
        dst[dstOffset + i] = Float.intBitsToFloat(bits);
      }
    }
  }
}
