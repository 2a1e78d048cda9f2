package ai.realm.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/// RWKV's "world" tokenizer: the longest token that the rest of the text begins with, again and again.
/// Token texts are escaped as in a Python literal. See `llm_tokenizer_rwkv_session` in llama.cpp.
final class RwkvTokenizer extends Tokenizer {
  private final ByteTrie tokens = new ByteTrie();

  RwkvTokenizer(Vocabulary vocabulary) {
    super(vocabulary);
    for (int id = 0; id < vocabulary.size(); id++) {
      byte[] text = unescape(vocabulary.texts().copy(id));
      if (text.length > 0) {
        tokens.insert(text, id);
      }
    }
  }

  @Override
  void encodeText(byte[] utf8, int from, int to, boolean afterSpecial, IntList out) {
    for (int at = from; at < to; ) {
      int token = -1;
      int tokenEnd = at + 1;
      int node = ByteTrie.ROOT;
      for (int end = at; end < to; ) {
        node = tokens.child(node, utf8[end++]);
        if (node < 0) {
          break;
        }
        if (tokens.value(node) >= 0) {
          token = tokens.value(node);
          tokenEnd = end;
        }
      }
      if (token >= 0) {
        out.add(token);
      } else {
        vocabulary().unknown().ifPresent(out::add);
      }
      at = tokenEnd;
    }
  }

  @Override
  byte[] normalBytes(int token) {
    return unescape(vocabulary().texts().copy(token));
  }

  private static byte[] unescape(byte[] text) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(text.length);
    for (int i = 0; i < text.length; i++) {
      if (text[i] != '\\' || i + 1 == text.length) {
        out.write(text[i]);
        continue;
      }
      i++;
      switch (text[i]) {
        case 't' -> out.write('\t');
        case 'n' -> out.write('\n');
        case 'r' -> out.write('\r');
        case 'x' -> {
          int high = i + 2 < text.length ? Character.digit(text[i + 1], 16) : -1;
          int low = high < 0 ? -1 : Character.digit(text[i + 2], 16);
          if (low < 0) {
            throw new TokenizerException(
                "%s: expected two hexadecimal digits after \\x, found %s"
                    .formatted(
                        TokenTexts.KEY,
                        TokenizerException.quote(new String(text, StandardCharsets.UTF_8))));
          }
          out.write(high << 4 | low);
          i += 2;
        }
        default -> out.write(text[i]);
      }
    }
    return out.toByteArray();
  }
}
