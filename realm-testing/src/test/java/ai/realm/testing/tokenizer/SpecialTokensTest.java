package ai.realm.testing.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.time.CpuTime;
import ai.realm.tokenizer.StreamingDecoder;
import ai.realm.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SpecialTokensTest {
  private static String[] pieces(Tokenizer tokenizer, String text, boolean parseSpecial) {
    return Arrays.stream(tokenizer.encode(text, false, parseSpecial))
        .mapToObj(tokenizer.vocabulary()::text)
        .toArray(String[]::new);
  }

  private static TestVocabulary bytes() {
    return TestVocabulary.bytePairs("gpt-2");
  }

  /// What is taken first may be the end of a long text: it was looked for from each token on.
  @Test
  void aLongTextOfTokensTakesLittle() {
    Tokenizer t =
        bytes()
            .token("<c>", TestVocabulary.CONTROL)
            .token("<end>", TestVocabulary.CONTROL)
            .tokenizer();
    String text = "<c>".repeat(600_000) + "<end>";
    CpuTime.assertWithin(
        Duration.ofSeconds(1),
        () -> assertThat(t.encode(text, false, true)).hasSize(600_001).doesNotContain(-1));
  }

  @Test
  void aControlTokenIsFoundOnlyWhenAskedFor() {
    Tokenizer t = bytes().token("<c>", TestVocabulary.CONTROL).tokenizer();
    assertThat(pieces(t, "a<c>b", false)).containsExactly("a", "<", "c", ">", "b");
    assertThat(pieces(t, "a<c>b", true)).containsExactly("a", "<c>", "b");
  }

  @Test
  void aUserDefinedTokenIsFoundInAnyText() {
    Tokenizer t = bytes().token("    ", TestVocabulary.USER_DEFINED).tokenizer();
    assertThat(pieces(t, "a     b", false)).containsExactly("a", "    ", "Ġ", "b");
    assertThat(t.decode(t.encode("a     b", false, false))).isEqualTo("a     b");
  }

  @Test
  void theLongerOfTwoTokensWinsEvenFurtherRight() {
    Tokenizer t =
        bytes()
            .token("ab", TestVocabulary.USER_DEFINED)
            .token("bcd", TestVocabulary.USER_DEFINED)
            .token("bcde", TestVocabulary.CONTROL)
            .tokenizer();
    assertThat(pieces(t, "abcdefab", false)).containsExactly("a", "bcd", "e", "f", "ab");
    assertThat(pieces(t, "abcdefab", true)).containsExactly("a", "bcde", "f", "ab");
  }

  @Test
  void phi3TakesTheWhiteSpaceAfterItsTokens() {
    Tokenizer t =
        bytes()
            .string("general.name", "Phi-3 mini")
            .token("<|user|>", TestVocabulary.CONTROL)
            .token("<|endoftext|>", TestVocabulary.CONTROL)
            .tokenizer();
    assertThat(pieces(t, "<|user|> \n a", true)).containsExactly("<|user|>", "a");
    assertThat(pieces(t, "<|endoftext|> a", true)).containsExactly("<|endoftext|>", "Ġ", "a");
    assertThat(pieces(t, "a <|user|>  <|user|> ", true))
        .containsExactly("a", "Ġ", "<|user|>", "<|user|>");
  }

  @Test
  void aMaskTakesTheWhiteSpaceBeforeIt() {
    Tokenizer t =
        TestVocabulary.bytePairs("jina-v2-de").token("<mask>", TestVocabulary.CONTROL).tokenizer();
    assertThat(pieces(t, "a  <mask> b", true)).containsExactly("a", "<mask>", "Ġ", "b");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "<|eot_id|>",
        "<|im_end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<｜end▁of▁sentence｜>",
        "[EOT]"
      })
  void wellKnownTextsEndGenerationAndAreControlTokens(String text) {
    TestVocabulary v = bytes().token(text, TestVocabulary.NORMAL);
    int id = v.last();
    Tokenizer t = v.tokenizer();
    assertThat(t.vocabulary().isEndOfGeneration(id)).isTrue();
    assertThat(t.vocabulary().isControl(id)).isTrue();
    assertThat(t.vocabulary().endOfTurn()).hasValue(id);
    assertThat(t.encode(text, false, false)).doesNotContain(id);
    assertThat(t.encode(text, false, true)).containsExactly(id);
  }

  @Test
  void theEndOfSequenceEndsGenerationWhateverItsText() {
    TestVocabulary v = bytes().token("STOP", TestVocabulary.CONTROL);
    Tokenizer t = v.id("eos", v.last()).tokenizer();
    assertThat(t.vocabulary().endOfGeneration()).containsExactly(v.last());
  }

  @Test
  void theMarksOfGptOssAreReadableButNobodyCanTypeThem() {
    TestVocabulary v =
        bytes()
            .token("<|channel|>", TestVocabulary.CONTROL)
            .token("<|return|>", TestVocabulary.CONTROL)
            .token("<|call|>", TestVocabulary.CONTROL)
            .token("<|end|>", TestVocabulary.CONTROL);
    Tokenizer t = v.tokenizer();
    int channel = t.vocabulary().find("<|channel|>").getAsInt();
    int end = t.vocabulary().find("<|end|>").getAsInt();
    assertThat(t.encode("<|channel|>", false, false)).doesNotContain(channel);
    assertThat(t.decode(new int[] {channel, 'a', end})).isEqualTo("<|channel|>a<|end|>");
    assertThat(t.vocabulary().isEndOfGeneration(end)).isFalse();
  }

  @Test
  void controlTokensLeaveTheirTextOnlyWhenAskedFor() {
    TestVocabulary v = bytes().token("<c>", TestVocabulary.CONTROL);
    Tokenizer t = v.tokenizer();
    int[] ids = {'a', v.last(), 'b'};
    assertThat(t.decode(ids)).isEqualTo("ab");
    assertThat(new String(t.detokenize(ids, false, true), StandardCharsets.UTF_8))
        .isEqualTo("a<c>b");
  }

  @Test
  void beginAndEndAreAddedAndRemoved() {
    TestVocabulary v =
        TestVocabulary.sentencePiece()
            .token("▁a", TestVocabulary.NORMAL, -1)
            .bool("tokenizer.ggml.add_eos_token", true);
    v.token("▁", TestVocabulary.NORMAL, -2).token("a", TestVocabulary.NORMAL, -3);
    Tokenizer t = v.tokenizer();
    int[] ids = t.encode("a", true, false);
    assertThat(ids).containsExactly(1, 259, 2);
    assertThat(new String(t.detokenize(ids, true, false), StandardCharsets.UTF_8)).isEqualTo(" a");
    assertThat(new String(t.detokenize(ids, false, true), StandardCharsets.UTF_8))
        .isEqualTo("<s> a</s>");
    assertThat(t.decode(new int[] {259})).isEqualTo("a");
    StreamingDecoder afterText = t.decoder(false);
    assertThat(afterText.accept(259)).isEqualTo(" a");
  }

  @Test
  void spacesAreCleanedAsLlamaCppDoes() {
    Tokenizer t = bytes().tokenizer();
    for (String[] pair :
        new String[][] {
          {"a , b .", "a, b."},
          {"it 's we 're", "it's we're"},
          {"rock ' n", "rock'n"},
          {"a ' ' b", "a'' b"},
          {"I 't 'll", "I 't 'll"},
          {" !", "!"},
          {"", ""}
        }) {
      int[] ids = t.encode(pair[0], false, false);
      assertThat(t.decode(ids)).isEqualTo(pair[0]);
      assertThat(new String(t.detokenize(ids, false, false), StandardCharsets.UTF_8))
          .isEqualTo(pair[1]);
    }
  }
}
