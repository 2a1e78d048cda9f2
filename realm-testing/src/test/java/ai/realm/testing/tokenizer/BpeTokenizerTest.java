package ai.realm.testing.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import ai.realm.gguf.GgufArray;
import ai.realm.tokenizer.Tokenizer;
import ai.realm.tokenizer.TokenizerException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class BpeTokenizerTest {
  private static String[] pieces(Tokenizer tokenizer, String text) {
    return Arrays.stream(tokenizer.encode(text, false, false))
        .mapToObj(tokenizer.vocabulary()::text)
        .toArray(String[]::new);
  }

  @Test
  void mergesInTheOrderOfTheFileNotOfTheText() {
    Tokenizer t = TestVocabulary.bytePairs("gpt-2", "b c", "a b", "a bc").tokenizer();
    assertThat(pieces(t, "abc")).containsExactly("abc");
    assertThat(pieces(t, "abab")).containsExactly("ab", "ab");
  }

  @Test
  void mergesTheLeftmostOfEquals() {
    Tokenizer t = TestVocabulary.bytePairs("gpt-2", "a a").tokenizer();
    assertThat(pieces(t, "aaa")).containsExactly("aa", "a");
  }

  @Test
  void aMergeMayMakeATextThatIsNoToken() {
    TestVocabulary v = TestVocabulary.bytePairs("gpt-2");
    v.token("abc", TestVocabulary.NORMAL)
        .array("tokenizer.ggml.merges", GgufArray.ofStrings(List.of("a b", "ab c")));
    assertThat(pieces(v.tokenizer(), "abc")).containsExactly("abc");
    assertThat(pieces(v.tokenizer(), "ab")).containsExactly("a", "b");
  }

  @Test
  void longAndShortWordsMergeAlike() {
    Tokenizer t =
        TestVocabulary.bytePairs("gpt-2", "a b", "c a", "b c", "ab c", "ca b", "abc abc")
            .tokenizer();
    Random random = new Random(1);
    for (int round = 0; round < 200; round++) {
      StringBuilder word = new StringBuilder();
      for (int i = 0; i < 40; i++) {
        word.append((char) ('a' + random.nextInt(3)));
      }
      // d takes part in no merge, so that the longer word has the tokens of its parts.
      String[] parts = pieces(t, word.toString());
      String[] whole = pieces(t, (word + "d").repeat(4));
      for (int i = 0; i < 4; i++) {
        int from = i * (parts.length + 1);
        assertThat(Arrays.copyOfRange(whole, from, from + parts.length)).isEqualTo(parts);
        assertThat(whole[from + parts.length]).isEqualTo("d");
      }
    }
  }

  @Test
  void noMergeCrossesAWord() {
    Tokenizer t = TestVocabulary.bytePairs("gpt-2", "a Ġ", "Ġ b").tokenizer();
    assertThat(pieces(t, "a b")).containsExactly("a", "Ġb");
  }

  @Test
  void aWordThatIsATokenStaysWholeWhereTheModelWantsIt() {
    TestVocabulary v = TestVocabulary.bytePairs("llama-bpe", "a b");
    v.token("xyz", TestVocabulary.NORMAL).bool("tokenizer.ggml.add_bos_token", false);
    assertThat(pieces(v.tokenizer(), "xyz")).containsExactly("xyz");
    TestVocabulary w = TestVocabulary.bytePairs("gpt-2", "a b");
    w.token("xyz", TestVocabulary.NORMAL);
    assertThat(pieces(w.tokenizer(), "xyz")).containsExactly("x", "y", "z");
  }

  @Test
  void everyByteSurvivesTheRoundTrip() {
    Tokenizer t = TestVocabulary.bytePairs("gpt-2").tokenizer();
    int[] all = IntStream.range(0, 256).toArray();
    for (int b : all) {
      assertThat(t.tokenBytes(b)).containsExactly((byte) b);
    }
    String text = "tab\tnaïve 😀 \u0000 . ' x";
    assertThat(t.encode(text, false, false)).hasSize(text.getBytes(StandardCharsets.UTF_8).length);
    assertThat(t.decode(t.encode(text, false, false))).isEqualTo(text);
  }

  @Test
  void anUnknownPreTokenizerIsAnErrorThatListsTheKnownOnes() {
    assertThatThrownBy(() -> TestVocabulary.bytePairs("gpt-9").tokenizer())
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining("\"gpt-9\"")
        .hasMessageContaining("llama-bpe, ")
        .hasMessageContaining("qwen2, ")
        .hasMessageContaining("deepseek-v3, ");
  }

  @Test
  void aLetterWrittenInTwoWaysStaysAsItIs() {
    Tokenizer t = TestVocabulary.bytePairs("qwen2").tokenizer();
    String text = "é e\u0301 \uFB01";
    assertThat(t.decode(t.encode(text, false, false))).isEqualTo(text);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", " ", "1", "'", "é", "好", "\n", "a ", "'re", "~", "😀"})
  void aMegabyteOfTheSameTakesNoQuadraticTime(String unit) {
    Tokenizer t = TestVocabulary.bytePairs("llama-bpe", "a a", "aa aa", "Ġ Ġ").tokenizer();
    String text = unit.repeat(1_000_000 / unit.getBytes(StandardCharsets.UTF_8).length) + "x";
    int[] ids =
        assertTimeoutPreemptively(Duration.ofSeconds(20), () -> t.encode(text, false, false));
    assertThat(t.decode(ids)).isEqualTo(text);
  }
}
