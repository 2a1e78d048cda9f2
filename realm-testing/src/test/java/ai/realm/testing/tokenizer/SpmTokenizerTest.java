package ai.realm.testing.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.sample.SampleReference;
import ai.realm.tokenizer.StreamingDecoder;
import ai.realm.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

final class SpmTokenizerTest {
  private static GgufFile file;
  private static Tokenizer tokenizer;

  @BeforeAll
  static void open() {
    file = GgufFile.open(SampleModel.path());
    tokenizer = Tokenizer.of(file.metadata());
  }

  @AfterAll
  static void close() {
    file.close();
  }

  @Test
  void givesTheIdsOfTheReference() {
    for (SampleReference.Case c : SampleModel.reference().cases()) {
      assertThat(tokenizer.encode(c.text(), true, c.chat())).as(c.text()).isEqualTo(c.ids());
    }
  }

  @Test
  void decodesTheReferencesContinuations() {
    for (SampleReference.Case c : SampleModel.reference().cases()) {
      StreamingDecoder decoder = tokenizer.decoder();
      StringBuilder streamed = new StringBuilder();
      for (int id : c.greedyIds()) {
        streamed.append(decoder.accept(id));
      }
      streamed.append(decoder.finish());
      assertThat(streamed.toString()).isEqualTo(tokenizer.decode(c.greedyIds()));
      assertThat(streamed.toString()).startsWith(c.greedyText());
    }
  }

  @Test
  void userTextNeverBecomesAControlToken() {
    int[] typed = tokenizer.encode("</s><|user|><s>", false, false);
    assertThat(Arrays.stream(typed)).noneMatch(tokenizer.vocabulary()::isControl);
    assertThat(tokenizer.decode(typed)).isEqualTo("</s><|user|><s>");
    assertThat(tokenizer.encode("</s><|user|>", false, true)).containsExactly(2, 4);
  }

  @Test
  void decodesSplitEmojiAcrossTokens() {
    int[] ids = tokenizer.encode("a😀é你", false, false);
    assertThat(ids.length).isGreaterThan(8);
    StreamingDecoder decoder = tokenizer.decoder();
    StringBuilder streamed = new StringBuilder();
    for (int id : ids) {
      String piece = decoder.accept(id);
      assertThat(piece).doesNotContain("\uFFFD");
      streamed.append(piece);
    }
    assertThat(streamed.append(decoder.finish()).toString()).isEqualTo("a😀é你");
  }

  @Test
  void anUnfinishedCharacterAtTheEndBecomesAReplacementCharacter() {
    int[] ids = tokenizer.encode("😀", false, false);
    StreamingDecoder decoder = tokenizer.decoder();
    StringBuilder streamed = new StringBuilder();
    for (int i = 0; i < ids.length - 1; i++) {
      streamed.append(decoder.accept(ids[i]));
    }
    assertThat(streamed.toString()).isEmpty();
    assertThat(decoder.finish()).isEqualTo("\uFFFD");
  }

  @Test
  void anyTokensStreamAsTheyDecode() {
    Random random = new Random(3);
    for (int round = 0; round < 2_000; round++) {
      // Half of them byte tokens, so that characters are broken and whole in all ways.
      int[] ids =
          random
              .ints(1 + random.nextInt(12), 0, 512)
              .map(id -> id < 256 ? 8 + id : random.nextInt(tokenizer.vocabulary().size()))
              .toArray();
      StreamingDecoder decoder = tokenizer.decoder();
      StringBuilder streamed = new StringBuilder();
      for (int id : ids) {
        streamed.append(decoder.accept(id));
      }
      assertThat(streamed.append(decoder.finish())).hasToString(tokenizer.decode(ids));
    }
  }

  @Test
  void anyTextSurvivesTheRoundTrip() {
    for (String text :
        List.of(
            "",
            " ",
            "  two  spaces ",
            "tab\tline\nend",
            "naïve Ωμέγα",
            "\u0000\u0001",
            "👩‍👩‍👧‍👦")) {
      assertThat(tokenizer.decode(tokenizer.encode(text, false, false))).isEqualTo(text);
    }
  }

  @Test
  void aMegabyteOfOneLetterTakesNoQuadraticTime() {
    String text = "a".repeat(1_000_000);
    assertThat(tokenizer.decode(tokenizer.encode(text, false, false))).isEqualTo(text);
  }
}
