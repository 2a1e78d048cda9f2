package ai.realm.tokenizer;

/// SentencePiece BPE: spaces become ▁, the text is cut into characters, and the neighbours whose union
/// is the token of highest score merge until none are left; what is no token falls back to its bytes.
/// See Kudo & Richardson 2018, and `llm_tokenizer_spm` in llama.cpp for the order of ties (leftmost
/// first).
///
/// Where no token has a ▁ after another character, no merge crosses the begin of a word, and the words
/// are merged one by one.
final class SpmTokenizer extends Tokenizer {
  private final int[] byteTokens;
  private final boolean byWords;

  SpmTokenizer(Vocabulary vocabulary) {
    super(vocabulary);
    byteTokens = ByteTokens.of(vocabulary, vocabulary.unknown().orElse(-1));
    byWords = !hasTokenAcrossWords(vocabulary);
  }

  private static boolean hasTokenAcrossWords(Vocabulary vocabulary) {
    for (int id = 0; id < vocabulary.size(); id++) {
      if (vocabulary.texts().length(id) < 4) {
        continue;
      }
      byte[] text = vocabulary.texts().copy(id);
      for (int i = 1; i < text.length; i++) {
        if (beginsWord(text, i)) {
          return true;
        }
      }
    }
    return false;
  }

  /// Whether there is a ▁ at `at` and another character before it.
  private static boolean beginsWord(byte[] text, int at) {
    return EscapedSpaces.isAt(text, at) && (at < 3 || !EscapedSpaces.isAt(text, at - 3));
  }

  @Override
  void encodeText(byte[] utf8, int from, int to, boolean afterSpecial, IntList out) {
    boolean prefix = afterSpecial && vocabulary().addSpacePrefix();
    byte[] bytes = EscapedSpaces.escape(utf8, from, to, prefix);
    Merger merger = new Merger(bytes);
    int start = 0;
    if (byWords) {
      for (int at = 1; at < bytes.length; at++) {
        if (bytes[at] == (byte) 0xe2 && beginsWord(bytes, at)) {
          merger.run(start, at, out);
          start = at;
        }
      }
    }
    merger.run(start, bytes.length, out);
  }

  static int characterLength(byte first) {
    int b = first & 0xff;
    return b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
  }

  /// Merges one piece of text after another; the key is the score, greatest first.
  private final class Merger extends SymbolMerger {
    /// A symbol that is a character and no merge's result.
    private static final int CHARACTER = -1;

    private final byte[] bytes;
    private int end;

    Merger(byte[] bytes) {
      this.bytes = bytes;
    }

    @Override
    long find(int left, int right, int after) {
      int token = vocabulary().texts().find(bytes, start[left], after < 0 ? end : start[after]);
      return token < 0 ? NONE : (long) descending(vocabulary().score(token)) << 32 | token;
    }

    /// An int that is less the greater the score is.
    private static int descending(float score) {
      int bits = Float.floatToRawIntBits(score + 0f); // −0 becomes 0
      return ~(bits ^ bits >> 31 & Integer.MAX_VALUE);
    }

    void run(int from, int to, IntList out) {
      ensureCapacity(to - from);
      end = to;
      int n = 0;
      for (int at = from; at < to; n++) {
        start[n] = at;
        symbol[n] = CHARACTER;
        at += Math.min(characterLength(bytes[at]), to - at);
      }
      n = merge(n);
      for (int i = 0; i < n; i++) {
        if (symbol[i] == CHARACTER) {
          addCharacter(start[i], i + 1 < n ? start[i + 1] : to, out);
        } else {
          out.add(symbol[i]);
        }
      }
    }

    private void addCharacter(int from, int to, IntList out) {
      int token = vocabulary().texts().find(bytes, from, to);
      if (token >= 0) {
        out.add(token);
        return;
      }
      for (int i = from; i < to; i++) {
        int b = byteTokens[bytes[i] & 0xff];
        if (b >= 0) {
          out.add(b);
        }
      }
    }
  }

  @Override
  byte[] normalBytes(int token) {
    return EscapedSpaces.unescape(vocabulary().texts().copy(token));
  }
}
