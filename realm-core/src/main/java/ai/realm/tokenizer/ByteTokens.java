package ai.realm.tokenizer;

import java.nio.charset.StandardCharsets;

/// Tokens `<0x00>` to `<0xFF>` that stand for one byte.
final class ByteTokens {
  private static final String HEX = "0123456789ABCDEF";

  private ByteTokens() {}

  /// The token of each byte: `<0xXX>`, else the token whose text is that byte, else `absent`. Checks
  /// that every token of type byte has such a text.
  static int[] of(Vocabulary vocabulary, int absent) {
    int[] tokens = new int[256];
    byte[] name = "<0x00>".getBytes(StandardCharsets.US_ASCII);
    for (int b = 0; b < 256; b++) {
      name[3] = (byte) HEX.charAt(b >> 4);
      name[4] = (byte) HEX.charAt(b & 15);
      int token = vocabulary.texts().find(name, 0, name.length);
      if (token < 0) {
        token = vocabulary.texts().find(new byte[] {(byte) b}, 0, 1);
      }
      tokens[b] = token >= 0 ? token : absent;
    }
    for (int id = 0; id < vocabulary.size(); id++) {
      if (vocabulary.has(id, TokenAttributes.BYTE)) {
        value(vocabulary, id);
      }
    }
    return tokens;
  }

  /// The byte that a token of type byte stands for.
  static int value(Vocabulary vocabulary, int token) {
    TokenTexts texts = vocabulary.texts();
    if (texts.length(token) == 6
        && texts.at(token, 0) == '<'
        && texts.at(token, 1) == '0'
        && texts.at(token, 2) == 'x'
        && texts.at(token, 5) == '>') {
      int high = Character.digit(texts.at(token, 3), 16);
      int low = Character.digit(texts.at(token, 4), 16);
      if (high >= 0 && low >= 0) {
        return high << 4 | low;
      }
    }
    throw new TokenizerException(
        "%s: expected <0x00> to <0xFF> for byte token %d, found %s"
            .formatted(TokenTexts.KEY, token, TokenizerException.quote(texts.text(token))));
  }
}
