package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

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

    @Override
    public void quantize(
        float[] src,
        int srcOffset,
        int count,
        float @Nullable [] importance,
        MemorySegment dst,
        long dstOffset) {
      MemorySegment.copy(src, srcOffset, dst, FLOAT, dstOffset, count);
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

    @Override
    public void quantize(
        float[] src,
        int srcOffset,
        int count,
        float @Nullable [] importance,
        MemorySegment dst,
        long dstOffset) {
      for (int i = 0; i < count; i++) {
        BlockwiseCodec.putHalf(dst, dstOffset + 2L * i, src[srcOffset + i]);
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

    @Override
    public void quantize(
        float[] src,
        int srcOffset,
        int count,
        float @Nullable [] importance,
        MemorySegment dst,
        long dstOffset) {
      for (int i = 0; i < count; i++) {
        dst.set(BlockwiseCodec.SHORT, dstOffset + 2L * i, upperHalf(src[srcOffset + i]));
      }
    }

    /// Rounded to nearest, ties to even; a NaN stays one.
    private static short upperHalf(float x) {
      int bits = Float.floatToRawIntBits(x);
      return (short) (Float.isNaN(x) ? bits >> 16 | 64 : bits + 0x7fff + (bits >> 16 & 1) >> 16);
    }
  }
}
