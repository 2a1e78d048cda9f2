package ai.realm.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/// WordPiece as BERT models use it: lower case, accents off, cut at white space, punctuation and
/// Chinese characters; then the longest token that the rest of the word begins with, again and again. A
/// word that cannot be cut into tokens becomes the unknown token. The file writes a word's first piece
/// with ▁ in front. See Devlin et al. 2018, and `llm_tokenizer_wpm_session` in llama.cpp.
final class WordPieceTokenizer extends Tokenizer {
  private final int longest;

  WordPieceTokenizer(Vocabulary vocabulary) {
    super(vocabulary);
    longest = vocabulary.texts().longest();
  }

  @Override
  OptionalInt firstToken() {
    return vocabulary().bos();
  }

  @Override
  OptionalInt lastToken() {
    return vocabulary().separator();
  }

  @Override
  void encodeText(byte[] utf8, int from, int to, boolean afterSpecial, IntList out) {
    String text = new String(utf8, from, to - from, StandardCharsets.UTF_8);
    StringBuilder word = new StringBuilder();
    for (int i = 0; i < text.length(); ) {
      int original = text.codePointAt(i);
      i += Character.charCount(original);
      int cp = CodePoints.base(original);
      int kind = CodePoints.kind(cp);
      if ((kind & CodePoints.SPACE) != 0) {
        encodeWord(word, out);
      } else if (cp != 0 && cp != 0xfffd && !CodePoints.isControl(cp)) {
        boolean alone =
            (kind & CodePoints.PUNCTUATION) != 0
                || (cp < 0x7f && (kind & CodePoints.SYMBOL) != 0)
                || cp == '~'
                || isChinese(cp);
        if (alone) {
          encodeWord(word, out);
        }
        word.appendCodePoint(CodePoints.lowerCase(cp));
        if (alone) {
          encodeWord(word, out);
        }
      }
    }
    encodeWord(word, out);
  }

  private void encodeWord(StringBuilder word, IntList out) {
    if (word.isEmpty()) {
      return;
    }
    byte[] piece = ("▁" + word).getBytes(StandardCharsets.UTF_8);
    word.setLength(0);
    int before = out.size();
    for (int at = 0; at < piece.length; ) {
      int end = Math.min(piece.length, at + longest);
      int token = -1;
      while (end > at && token < 0) {
        token = vocabulary().texts().find(piece, at, end);
        end -= token < 0 ? 1 : 0;
      }
      if (token < 0) {
        out.truncate(before);
        break;
      }
      out.add(token);
      at = end;
    }
    if (out.size() == before) {
      vocabulary().unknown().ifPresent(out::add);
    }
  }

  /// As BERT counts them; the block from U+2B920 begins at U+2B820, but the published tokenizers have
  /// this number.
  private static boolean isChinese(int cp) {
    return (cp >= 0x4e00 && cp <= 0x9fff)
        || (cp >= 0x3400 && cp <= 0x4dbf)
        || (cp >= 0x20000 && cp <= 0x2a6df)
        || (cp >= 0x2a700 && cp <= 0x2b73f)
        || (cp >= 0x2b740 && cp <= 0x2b81f)
        || (cp >= 0x2b920 && cp <= 0x2ceaf)
        || (cp >= 0xf900 && cp <= 0xfaff)
        || (cp >= 0x2f800 && cp <= 0x2fa1f);
  }

  @Override
  byte[] normalBytes(int token) {
    return EscapedSpaces.unescape(vocabulary().texts().copy(token));
  }
}
