package ai.realm.testing.compute;

import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/// Seeded tensors of every type. Quantized blocks are random bits, so that every field of a block
/// counts; blocks that decode to nothing, to huge or to non-finite weights are drawn again.
public final class RandomTensors {
  private static final float SMALLEST_BLOCK = 1e-2f;
  private static final float LARGEST_BLOCK = 8;

  private RandomTensors() {}

  /// The types that weights are stored in: those with a codec.
  public static List<GgmlType> types() {
    List<GgmlType> types = new ArrayList<>();
    for (GgmlType type : GgmlType.values()) {
      switch (type) {
        case I8, I16, I32, I64, F64 -> {
          // Not weights.
        }
        case F32,
            F16,
            BF16,
            Q4_0,
            Q4_1,
            Q5_0,
            Q5_1,
            Q8_0,
            Q2_K,
            Q3_K,
            Q4_K,
            Q5_K,
            Q6_K,
            IQ2_XXS,
            IQ2_XS,
            IQ3_XXS,
            IQ1_S,
            IQ4_NL,
            IQ3_S,
            IQ2_S,
            IQ4_XS,
            IQ1_M,
            TQ1_0,
            TQ2_0,
            MXFP4,
            NVFP4,
            Q1_0,
            Q2_0 ->
            types.add(type);
      }
    }
    return types;
  }

  /// A tensor of `rows` rows of `cols` weights, a multiple of the type's block size.
  public static Tensor matrix(
      Arena arena, GgmlType type, int rows, int cols, RandomGenerator random) {
    long bytes = type.byteSize((long) rows * cols);
    MemorySegment data = arena.allocate(bytes, 64);
    BlockCodec codec = BlockCodec.of(type);
    float[] decoded = new float[type.blockSize()];
    byte[] block = new byte[type.blockBytes()];
    for (long offset = 0; offset < bytes; offset += block.length) {
      do {
        fill(type, block, random);
        MemorySegment.copy(block, 0, data, ValueLayout.JAVA_BYTE, offset, block.length);
        codec.dequantize(data, offset, decoded, 0, decoded.length);
      } while (type.isQuantized() && !usable(decoded));
    }
    String name = "random." + type + "." + rows + "x" + cols;
    return new Tensor(name, type, Shape.of(cols, rows), data);
  }

  private static void fill(GgmlType type, byte[] block, RandomGenerator random) {
    MemorySegment memory = MemorySegment.ofArray(block);
    float value = (float) random.nextGaussian();
    if (type == GgmlType.F32) {
      memory.set(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0, value);
    } else if (type == GgmlType.F16) {
      setShort(memory, Float.floatToFloat16(value));
    } else if (type == GgmlType.BF16) {
      setShort(memory, (short) (Float.floatToIntBits(value) >>> 16));
    } else {
      random.nextBytes(block);
    }
  }

  private static void setShort(MemorySegment memory, short value) {
    memory.set(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0, value);
  }

  private static boolean usable(float[] decoded) {
    float max = 0;
    for (float value : decoded) {
      if (!Float.isFinite(value)) {
        return false;
      }
      max = Math.max(max, Math.abs(value));
    }
    return max >= SMALLEST_BLOCK && max <= LARGEST_BLOCK;
  }

  /// The weights of a tensor.
  public static float[] decode(Tensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.shape().elements())];
    BlockCodec.of(tensor.type()).dequantize(tensor.data(), 0, values, 0, values.length);
    return values;
  }

  /// Normal random numbers.
  public static float[] floats(int count, RandomGenerator random) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }
}
