package ai.realm.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class BlockEncoderTest {
  /// What llama-quantize takes for a row in the reference data.
  private static final int ROW = 256;

  @ParameterizedTest
  @EnumSource(
      names = {
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
        "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0"
      })
  void encodesByteForByteAsTheReference(GgmlType type) {
    encodesExactly(ReferenceBlocks.fewInTheCheckout(), type);
  }

  @Tag("reference")
  @ParameterizedTest
  @EnumSource(
      names = {
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
        "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0"
      })
  void encodesAllReferenceBlocksByteForByte(GgmlType type) {
    encodesExactly(ReferenceBlocks.all(), type);
  }

  private static void encodesExactly(ReferenceBlocks blocks, GgmlType type) {
    float[] input = blocks.floats(type, "input.f32");
    BlockCodec codec = BlockCodec.of(type);
    byte[] once = new byte[(int) type.byteSize(input.length)];
    codec.quantizeOnce(input, 0, input.length, MemorySegment.ofArray(once), 0);
    byte[] reference = blocks.bytes(type, "ref.bytes");
    if (type == GgmlType.IQ4_NL) {
      // The levels of an all-zero block come from memory that the reference never set.
      Arrays.fill(once, 2, 18, (byte) 0);
      Arrays.fill(reference, 2, 18, (byte) 0);
    }
    same(type, "ref", once, reference);
    same(type, "chunk", encode(type, input, null), blocks.bytes(type, "chunk.bytes"));
    float[] importance = blocks.floats(type, "imatrix.f32");
    same(type, "imx", encode(type, input, importance), blocks.bytes(type, "imx.bytes"));
  }

  private static byte[] encode(GgmlType type, float[] input, float @Nullable [] importance) {
    byte[] bytes = new byte[(int) type.byteSize(input.length)];
    MemorySegment dst = MemorySegment.ofArray(bytes);
    for (int from = 0; from < input.length; from += ROW) {
      BlockCodec.of(type).quantize(input, from, ROW, importance, dst, type.byteSize(from));
    }
    return bytes;
  }

  private static void same(GgmlType type, String kind, byte[] actual, byte[] expected) {
    int size = type.blockBytes();
    assertThat(actual).hasSameSizeAs(expected);
    for (int b = 0; b < expected.length / size; b++) {
      assertThat(Arrays.copyOfRange(actual, b * size, (b + 1) * size))
          .as("%s %s, block %d", type, kind, b)
          .isEqualTo(Arrays.copyOfRange(expected, b * size, (b + 1) * size));
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void roundsToSixteenBitsAsTheReference(GgmlType type) {
    roundsExactly(ReferenceBlocks.fewInTheCheckout(), type);
  }

  @Tag("reference")
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void roundsAllReferenceNumbersToSixteenBits(GgmlType type) {
    roundsExactly(ReferenceBlocks.all(), type);
  }

  private static void roundsExactly(ReferenceBlocks blocks, GgmlType type) {
    float[] input = blocks.floats(type, "input.f32");
    byte[] bytes = new byte[2 * input.length];
    BlockCodec.of(type).quantize(input, 0, input.length, MemorySegment.ofArray(bytes), 0);
    assertThat(bytes).isEqualTo(blocks.bytes(type, "ref.bytes"));
  }

  @ParameterizedTest
  @EnumSource(names = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"})
  void namesTheTypesThatItOnlyReads(GgmlType type) {
    MemorySegment dst = MemorySegment.ofArray(new byte[type.blockBytes()]);
    assertThatThrownBy(() -> BlockCodec.of(type).quantize(new float[256], 0, 256, dst, 0))
        .isInstanceOf(UnsupportedQuantizationException.class)
        .hasMessageContaining(type.name());
  }
}
