package ai.realm.testing.tokenizer;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufFormatException;
import ai.realm.tokenizer.TokenizerException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// G19 of the reliability corpus: a vocabulary that contradicts itself is refused by the key that lies.
final class VocabularyLiesTest {
  private static final String TOKENS = "tokenizer.ggml.tokens";
  private static final String SCORES = "tokenizer.ggml.scores";
  private static final String TYPES = "tokenizer.ggml.token_type";
  private static final String MERGES = "tokenizer.ggml.merges";
  private static final String CHARSMAP = "tokenizer.ggml.precompiled_charsmap";

  private static TestVocabulary spm() {
    return TestVocabulary.sentencePiece().token("a", TestVocabulary.NORMAL, -1);
  }

  private static TestVocabulary bpe(String... merges) {
    return TestVocabulary.bytePairs("gpt-2").array(MERGES, GgufArray.ofStrings(List.of(merges)));
  }

  private static TestVocabulary t5(byte... charsmap) {
    return new TestVocabulary("t5")
        .token("<pad>", TestVocabulary.CONTROL)
        .token("</s>", TestVocabulary.CONTROL)
        .token("<unk>", TestVocabulary.UNKNOWN)
        .array(CHARSMAP, GgufArray.ofBytes(charsmap));
  }

  static Stream<Arguments> lies() {
    float[] withNaN = new float[260];
    Arrays.fill(withNaN, 1);
    withNaN[77] = Float.NaN;
    int[] types = new int[260];
    Arrays.fill(types, 1);
    types[5] = 9;
    return Stream.of(
        lie("one score too few", spm().array(SCORES, GgufArray.ofFloats(new float[259])), SCORES),
        lie("one score too many", spm().array(SCORES, GgufArray.ofFloats(new float[261])), SCORES),
        lie("no scores", spm().array(SCORES, GgufArray.ofFloats()), SCORES),
        lie("a score that is no number", spm().array(SCORES, GgufArray.ofFloats(withNaN)), SCORES),
        lie("scores that are strings", spm().array(SCORES, GgufArray.ofStrings(List.of())), SCORES),
        lie("one type too few", spm().array(TYPES, GgufArray.ofInts(new int[259])), TYPES),
        lie("one type too many", spm().array(TYPES, GgufArray.ofInts(new int[261])), TYPES),
        lie("a type that there is not", spm().array(TYPES, GgufArray.ofInts(types)), TYPES),
        lie("types that are floats", spm().array(TYPES, GgufArray.ofFloats(1, 1)), TYPES),
        lie("the same token twice", spm().token("a", TestVocabulary.NORMAL), TOKENS),
        lie("no tokens", spm().array(TOKENS, GgufArray.ofStrings(List.of())), TOKENS),
        lie("tokens that are numbers", spm().array(TOKENS, GgufArray.ofInts(1, 2)), TOKENS),
        lie("a token of 1 MB", spm().token("x".repeat(1 << 20), TestVocabulary.NORMAL), TOKENS),
        lie("byte token <0x-1>", spm().token("<0x-1>", TestVocabulary.BYTE), TOKENS),
        lie("byte token <0xZZ>", spm().token("<0xZZ>", TestVocabulary.BYTE), TOKENS),
        lie("byte token <0x100>", spm().token("<0x100>", TestVocabulary.BYTE), TOKENS),
        lie("byte token without brackets", spm().token("0x0A", TestVocabulary.BYTE), TOKENS),
        lie("bos out of range", spm().id("bos", 260), "tokenizer.ggml.bos_token_id"),
        lie("eos out of range", spm().id("eos", 1 << 30), "tokenizer.ggml.eos_token_id"),
        lie("eos below zero", spm().id("eos", -2), "tokenizer.ggml.eos_token_id"),
        lie("eot out of range", spm().id("eot", 260), "tokenizer.ggml.eot_token_id"),
        lie("unknown out of range", spm().id("unknown", 260), "tokenizer.ggml.unknown_token_id"),
        lie("padding out of range", spm().id("padding", 999), "tokenizer.ggml.padding_token_id"),
        lie("a merge of one text", bpe("a b", "ab"), MERGES),
        lie("an empty merge", bpe("a b", ""), MERGES),
        lie("a merge with nothing at the right", bpe("a "), MERGES),
        lie("a merge with nothing at the left", bpe(" a"), MERGES),
        lie("a merge of 1 MB", bpe("a " + "b".repeat(1 << 20)), MERGES),
        lie("merges that are numbers", bpe().array(MERGES, GgufArray.ofInts(1)), MERGES),
        lie("no merges", new TestVocabulary("gpt2").token("a", TestVocabulary.NORMAL), MERGES),
        lie("an unknown pre-tokenizer", TestVocabulary.bytePairs("gpt-9"), "tokenizer.ggml.pre"),
        lie("an unknown model", new TestVocabulary("gpt-9"), "tokenizer.ggml.model"),
        lie("a charsmap of 3 bytes", t5((byte) 0, (byte) 0, (byte) 0), CHARSMAP),
        lie(
            "a charsmap that is longer than it is",
            t5((byte) -1, (byte) -1, (byte) -1, (byte) -1, (byte) 0),
            CHARSMAP),
        lie(
            "a charsmap of half a unit",
            t5((byte) 2, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0),
            CHARSMAP));
  }

  private static Arguments lie(String name, TestVocabulary vocabulary, String key) {
    return Arguments.argumentSet(name, vocabulary, key);
  }

  @ParameterizedTest
  @MethodSource("lies")
  void isRefusedByTheKeyThatLies(TestVocabulary vocabulary, String key) {
    assertThatThrownBy(vocabulary::tokenizer)
        .isInstanceOfAny(TokenizerException.class, GgufFormatException.class)
        .isInstanceOf(RealmException.class)
        .hasMessageContaining(key)
        .hasMessageContaining("expected")
        .hasMessageContaining("found");
  }

  @ParameterizedTest
  @MethodSource("brokenTries")
  void aCharsmapThatLeadsOutOfItselfIsRefusedWhenItIsUsed(byte[] charsmap) {
    assertThatThrownBy(() -> t5(charsmap).tokenizer().encode("a", false, false))
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining(CHARSMAP);
  }

  static Stream<byte[]> brokenTries() {
    return Stream.of(
        // The root's children lie beyond the trie.
        new byte[] {4, 0, 0, 0, 0, 4, 0, 0, 0}, new byte[] {4, 0, 0, 0, -1, -1, -1, 127, 0});
  }
}
