package ai.realm.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

final class BlockCodecTest {
  @ParameterizedTest
  @EnumSource(
      mode = Mode.EXCLUDE,
      names = {"F32", "I8", "I16", "I32", "I64", "F64"})
  void decodesRandomBitsExactlyAsTheReference(GgmlType type) {
    decodesExactly(ReferenceBlocks.fewInTheCheckout(), type, "random.bytes", "random.f32");
  }

  @Tag("reference")
  @ParameterizedTest
  @EnumSource(
      mode = Mode.EXCLUDE,
      names = {"F32", "I8", "I16", "I32", "I64", "F64"})
  void decodesAllReferenceBlocksExactly(GgmlType type) {
    decodesExactly(ReferenceBlocks.all(), type, "random.bytes", "random.f32");
  }

  @ParameterizedTest
  @EnumSource(names = {"I8", "I16", "I32", "I64", "F64"})
  void hasNoCodecForTypesThatHoldNoWeights(GgmlType type) {
    assertThatThrownBy(() -> BlockCodec.of(type))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(type.name());
  }

  private static void decodesExactly(
      ReferenceBlocks blocks, GgmlType type, String encoded, String decoded) {
    byte[] bytes = blocks.bytes(type, encoded);
    float[] expected = blocks.floats(type, decoded);
    assertThat(bytes).hasSize((int) type.byteSize(expected.length));
    BlockCodec codec = BlockCodec.of(type);
    assertThat(codec.type()).isEqualTo(type);

    // Unaligned, with neighbours that must stay as they are.
    MemorySegment src = MemorySegment.ofArray(new byte[bytes.length + 3]);
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, src, 3, bytes.length);
    float[] actual = new float[expected.length + 2];
    actual[0] = 7;
    actual[actual.length - 1] = 9;
    codec.dequantize(src, 3, actual, 1, expected.length);

    assertThat(actual[0]).isEqualTo(7);
    assertThat(actual[actual.length - 1]).isEqualTo(9);
    for (int i = 0; i < expected.length; i++) {
      assertThat(Float.floatToRawIntBits(actual[i + 1]))
          .as("weight %d: expected %s, found %s", i, expected[i], actual[i + 1])
          .isEqualTo(Float.floatToRawIntBits(expected[i]));
    }
  }
}
