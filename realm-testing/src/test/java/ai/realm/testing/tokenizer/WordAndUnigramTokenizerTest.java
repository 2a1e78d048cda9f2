package ai.realm.testing.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufArray;
import ai.realm.tokenizer.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/// WordPiece, unigram and RWKV on vocabularies of a few tokens.
final class WordAndUnigramTokenizerTest {
  private static String[] pieces(Tokenizer tokenizer, String text, boolean addSpecial) {
    return Arrays.stream(tokenizer.encode(text, addSpecial, true))
        .mapToObj(tokenizer.vocabulary()::text)
        .toArray(String[]::new);
  }

  private static Tokenizer bert() {
    TestVocabulary v = new TestVocabulary("bert");
    v.token("[UNK]", TestVocabulary.UNKNOWN)
        .token("[CLS]", TestVocabulary.CONTROL)
        .token("[SEP]", TestVocabulary.CONTROL);
    for (String text :
        new String[] {"▁un", "▁a", "aff", "able", "▁!", "▁cafe", "▁好", "▁~", "▁u", "s", "'"}) {
      v.token(text, TestVocabulary.NORMAL);
    }
    return v.id("bos", 1).id("seperator", 2).id("unknown", 0).id("padding", -1).tokenizer();
  }

  @Test
  void wordPieceTakesTheLongestPiecesOfALowerCaseWord() {
    assertThat(pieces(bert(), "Unaffable!", false)).containsExactly("▁un", "aff", "able", "▁!");
  }

  @Test
  void wordPieceTakesAccentsOffAndPartsChineseCharacters() {
    assertThat(pieces(bert(), "café好a~", false)).containsExactly("▁cafe", "▁好", "▁a", "▁~");
  }

  @Test
  void wordPieceGivesUpAWholeWord() {
    assertThat(pieces(bert(), "unaffx a", false)).containsExactly("[UNK]", "▁a");
  }

  @Test
  void wordPieceAddsClassAndSeparator() {
    assertThat(pieces(bert(), "a", true)).containsExactly("[CLS]", "▁a", "[SEP]");
    assertThat(pieces(bert(), "", true)).containsExactly("[CLS]", "[SEP]");
    assertThat(pieces(bert(), "a[SEP]a", false)).containsExactly("▁a", "[SEP]", "▁a");
  }

  @Test
  void wordPieceBeginsWithTheClassTokenWhereNoBeginTokenIsNamed() {
    Tokenizer t =
        new TestVocabulary("bert")
            .token("[UNK]", TestVocabulary.UNKNOWN)
            .token("[CLS]", TestVocabulary.CONTROL)
            .token("[SEP]", TestVocabulary.CONTROL)
            .token("▁a", TestVocabulary.NORMAL)
            .id("cls", 1)
            .id("separator", 2)
            .tokenizer();
    assertThat(t.encode("a", true, false)).containsExactly(1, 3, 2);
  }

  /// A map with one entry: the full-width A (EF BC A1) becomes a. A chain of units, each with the
  /// next as child; unit i has its children at `i ^ offset`.
  private static byte[] fullWidthA() {
    int[] units = new int[2048];
    byte[] label = {(byte) 0xef, (byte) 0xbc, (byte) 0xa1};
    int base = 256;
    units[0] = base << 10;
    for (int i = 0; i < label.length; i++) {
      int at = base ^ label[i] & 0xff;
      int nextBase = base + 256;
      boolean leaf = i == label.length - 1;
      units[at] = (at ^ nextBase) << 10 | (leaf ? 1 << 8 : 0) | label[i] & 0xff;
      base = nextBase;
    }
    units[base] = 1 << 31; // the replacement at 0
    byte[] blob = new byte[4 + 4 * units.length + 2];
    ByteBuffer out = ByteBuffer.wrap(blob).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(4 * units.length);
    for (int unit : units) {
      out.putInt(unit);
    }
    out.put((byte) 'a').put((byte) 0);
    return blob;
  }

  private static Tokenizer t5() {
    return new TestVocabulary("t5")
        .token("<pad>", TestVocabulary.CONTROL)
        .token("</s>", TestVocabulary.CONTROL)
        .token("<unk>", TestVocabulary.UNKNOWN)
        .token("▁", TestVocabulary.NORMAL, -2)
        .token("a", TestVocabulary.NORMAL, -2)
        .token("b", TestVocabulary.NORMAL, -3)
        .token("ab", TestVocabulary.NORMAL, -4.5f)
        .token("▁ab", TestVocabulary.NORMAL, -5)
        .token("ba", TestVocabulary.NORMAL, -1)
        .token("<x> ", TestVocabulary.USER_DEFINED)
        .bool("tokenizer.ggml.add_space_prefix", true)
        .bool("tokenizer.ggml.remove_extra_whitespaces", true)
        .array("tokenizer.ggml.precompiled_charsmap", GgufArray.ofBytes(fullWidthA()))
        .tokenizer();
  }

  @Test
  void unigramTakesTheMostProbableCut() {
    assertThat(pieces(t5(), "ab", false)).containsExactly("▁ab");
    assertThat(pieces(t5(), "aba", false)).containsExactly("▁", "a", "ba");
    assertThat(pieces(t5(), "ab", true)).containsExactly("▁ab", "</s>");
  }

  @Test
  void unigramMakesUnknownNeighboursOne() {
    assertThat(pieces(t5(), "a??é b", false)).containsExactly("▁", "a", "<unk>", "▁", "b");
  }

  @Test
  void unigramReplacesCharactersAndMergesSpaces() {
    assertThat(pieces(t5(), "  \uff21b  \uff21", false)).containsExactly("▁ab", "▁", "a");
    assertThat(t5().decode(t5().encode("a b", false, false))).isEqualTo("a b");
  }

  @Test
  void rwkvTakesTheLongestTokenAndKnowsEscapes() {
    Tokenizer t =
        new TestVocabulary("rwkv")
            .token("<s>", TestVocabulary.CONTROL)
            .token("a", TestVocabulary.NORMAL)
            .token("ab", TestVocabulary.NORMAL)
            .token("abcd", TestVocabulary.NORMAL)
            .token("\\n", TestVocabulary.NORMAL)
            .token("\\xc3", TestVocabulary.NORMAL)
            .token("\\xa9", TestVocabulary.NORMAL)
            .token("c", TestVocabulary.NORMAL)
            .token("\\\\", TestVocabulary.NORMAL)
            .tokenizer();
    String text = "abcabcd\né\\";
    assertThat(t.encode(text, true, false)).containsExactly(2, 7, 3, 4, 5, 6, 8);
    assertThat(t.decode(t.encode(text, true, false))).isEqualTo(text);
  }
}
