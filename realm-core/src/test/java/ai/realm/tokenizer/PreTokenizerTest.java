package ai.realm.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// Words as llama.cpp (February 2025) and ik_llama.cpp (August 2026) cut them.
final class PreTokenizerTest {
  private static final List<String> UNITS =
      List.of(
          "a", "A", "é", "\u0301", "1", " ", "\n", " \n", "'", "~", "!", "/", "好", "Aé", "\u0000");

  private static List<String> words(PreTokenizer pre, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    CodePointText points = new CodePointText(utf8, 0, utf8.length);
    IntList ends = BpeTokenizer.split(pre.passes(), points);
    List<String> words = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < ends.size(); i++) {
      words.add(new String(points.codePoint, from, ends.get(i) - from));
      from = ends.get(i);
    }
    return words;
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = " => ",
      value = {
        "gpt-2 => I'm  here, 'RE 1234! => I|'m| | here|,| '|RE| 1234|!",
        "llama-bpe => I'M 1234 (x)\\n\\n y => I|'M| |123|4| (|x|)\\n\\n| y",
        "qwen2 => I'm 12 a.b! => I|'m| |1|2| a|.b|!",
        "qwen35 => e\u0301a 12 => e\u0301a| |1|2",
        "starcoder => a 12 b's => a| |1|2| b|'s",
        "smollm => a 12 => a| |1|2",
        "falcon => a+b 12345 => a|+|b| |123|45",
        "default => a+b 12345 => a|+|b| |123|45",
        "bloom => ab, cd. 12 => ab|,| cd|.| 12",
        "viking => ab 12 => ab| |1|2",
        "deepseek-llm => Hi\\n好的 12  => Hi|\\n|好的| |12",
        "deepseek-coder => Hi好 12, => Hi|好| |1|2|,",
        "deepseek-v3 => foo.bar 1234 好の! => foo|.bar| |123|4| |好の|!",
        "tekken => HelloWORLD's 12 a/ => Hello|WORLD|'s| |1|2| a|/",
        "gpt-4o => HelloWORLD's 1234 => Hello|WORLD's| |123|4",
        "kimi-k2 => abc好的def's 12 => abc|好的|def's| |12",
        "chatglm-bpe => a 1234 => a| |123|4",
        "superbpe => x 1234567 => x |1|234|567",
        "chameleon => IMGIMGABZ 12 a- => IMGIMGABZ| |1|2| a|-",
        "exaone-moe => the red 好 12 => the red 好| |1|2",
        "afmoe => ab12345 => ab|12|345",
        "tiny_aya => a1234's => a|1|234|'s",
        "seed-coder => a!\\n1 => a|!|\\n|1",
        "youtu => 한국ab！c => 한국|ab|！|c",
        "jais-2 => a      b => a|    | | b",
        "gemma4 => a b\\n\\nc => a b|\\n\\n|c",
      })
  void cutsWords(String name, String text, String words) {
    List<String> expected = new ArrayList<>();
    for (String word : words.replace("\\n", "\n").split("\\|", -1)) {
      expected.add(word);
    }
    assertThat(words(PreTokenizer.named(name), text.replace("\\n", "\n")))
        .containsExactlyElementsOf(expected);
  }

  @ParameterizedTest
  @EnumSource
  void noTextTakesQuadraticTimeOrAStack(PreTokenizer pre) {
    for (String unit : UNITS) {
      String text = unit.repeat(200_000 / unit.length()) + "x";
      List<String> words =
          assertTimeoutPreemptively(Duration.ofSeconds(5), () -> words(pre, text), unit);
      assertThat(String.join("", words)).isEqualTo(text);
    }
  }
}
