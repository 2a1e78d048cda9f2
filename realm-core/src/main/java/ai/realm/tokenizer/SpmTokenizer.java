package ai.realm.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// SentencePiece BPE: spaces become ▁, the text is cut into characters, and the neighbours whose union
/// is the token of highest score merge until none are left; what is no token falls back to its bytes.
/// Merges come from a heap: n log n for a text of n characters. See Kudo & Richardson 2018, and
/// `llm_tokenizer_spm` in llama.cpp for the order of ties (leftmost first).
final class SpmTokenizer extends Tokenizer {
  private static final byte[] SPACE = {(byte) 0xe2, (byte) 0x96, (byte) 0x81};

  private static final byte[] NOTHING = {};

  private final int[] byteTokens = new int[256];

  SpmTokenizer(Vocabulary vocabulary) {
    super(vocabulary);
    int unknown = vocabulary.unknown().orElse(-1);
    byte[] name = "<0x00>".getBytes(StandardCharsets.US_ASCII);
    String hex = "0123456789ABCDEF";
    for (int b = 0; b < 256; b++) {
      name[3] = (byte) hex.charAt(b >> 4);
      name[4] = (byte) hex.charAt(b & 15);
      int token = vocabulary.find(name, 0, name.length);
      if (token < 0) {
        byte[] raw = {(byte) b};
        token = vocabulary.find(raw, 0, 1);
      }
      byteTokens[b] = token >= 0 ? token : unknown;
    }
    for (int id = 0; id < vocabulary.size(); id++) {
      if (vocabulary.type(id) == TokenType.BYTE) {
        byteValue(id);
      }
    }
  }

  @Override
  void encodeText(String text, boolean afterSpecial, IntList out) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    boolean prefix = afterSpecial && vocabulary().addSpacePrefix();
    new Merger(escape(utf8, prefix)).run(out);
  }

  private static byte[] escape(byte[] utf8, boolean prefix) {
    int spaces = prefix ? 1 : 0;
    for (byte b : utf8) {
      spaces += b == ' ' ? 1 : 0;
    }
    byte[] out = new byte[utf8.length + 2 * spaces + (prefix ? 1 : 0)];
    int n = 0;
    if (prefix) {
      System.arraycopy(SPACE, 0, out, 0, 3);
      n = 3;
    }
    for (byte b : utf8) {
      if (b == ' ') {
        System.arraycopy(SPACE, 0, out, n, 3);
        n += 3;
      } else {
        out[n++] = b;
      }
    }
    return out;
  }

  /// The merging of one text. Symbols are a doubly linked list over `bytes`; a merge extends the left
  /// one and empties the right one. A heap entry is stale when a length has changed since.
  private final class Merger {
    private final byte[] bytes;
    private final int[] start;
    private final int[] length;
    private final int[] previous;
    private final int[] next;
    private int symbols;

    private float[] heapScore = new float[64];
    private int[] heapLeft = new int[64];
    private int[] heapLength = new int[64];
    private int heapSize;

    Merger(byte[] bytes) {
      this.bytes = bytes;
      start = new int[bytes.length];
      length = new int[bytes.length];
      previous = new int[bytes.length];
      next = new int[bytes.length];
    }

    void run(IntList out) {
      for (int at = 0; at < bytes.length; symbols++) {
        start[symbols] = at;
        length[symbols] = Math.min(characterLength(bytes[at]), bytes.length - at);
        previous[symbols] = symbols - 1;
        next[symbols] = symbols + 1;
        at += length[symbols];
      }
      if (symbols == 0) {
        return;
      }
      next[symbols - 1] = -1;
      for (int i = 0; i + 1 < symbols; i++) {
        offer(i);
      }
      while (heapSize > 0) {
        int left = heapLeft[0];
        int total = heapLength[0];
        pop();
        int right = length[left] == 0 ? -1 : next[left];
        if (right < 0 || length[left] + length[right] != total) {
          continue;
        }
        length[left] = total;
        length[right] = 0;
        next[left] = next[right];
        if (next[left] >= 0) {
          previous[next[left]] = left;
          offer(left);
        }
        if (previous[left] >= 0) {
          offer(previous[left]);
        }
      }
      for (int s = 0; s >= 0; s = next[s]) {
        emit(s, out);
      }
    }

    private void emit(int s, IntList out) {
      int token = vocabulary().find(bytes, start[s], start[s] + length[s]);
      if (token >= 0) {
        out.add(token);
        return;
      }
      for (int i = 0; i < length[s]; i++) {
        int b = byteTokens[bytes[start[s] + i] & 0xff];
        if (b >= 0) {
          out.add(b);
        }
      }
    }

    private static int characterLength(byte first) {
      int b = first & 0xff;
      return b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    }

    /// Puts symbol `left` and its right neighbour into the heap if together they are a token.
    private void offer(int left) {
      int right = next[left];
      int total = length[left] + length[right];
      int token = vocabulary().find(bytes, start[left], start[left] + total);
      if (token < 0) {
        return;
      }
      if (heapSize == heapScore.length) {
        heapScore = Arrays.copyOf(heapScore, heapSize * 2);
        heapLeft = Arrays.copyOf(heapLeft, heapSize * 2);
        heapLength = Arrays.copyOf(heapLength, heapSize * 2);
      }
      float score = vocabulary().score(token);
      int i = heapSize++;
      while (i > 0 && before(score, left, (i - 1) / 2)) {
        move((i - 1) / 2, i);
        i = (i - 1) / 2;
      }
      heapScore[i] = score;
      heapLeft[i] = left;
      heapLength[i] = total;
    }

    private boolean before(float score, int left, int entry) {
      return score > heapScore[entry] || (score == heapScore[entry] && left < heapLeft[entry]);
    }

    private void move(int from, int to) {
      heapScore[to] = heapScore[from];
      heapLeft[to] = heapLeft[from];
      heapLength[to] = heapLength[from];
    }

    private void pop() {
      int last = --heapSize;
      if (last == 0) {
        return;
      }
      float score = heapScore[last];
      int left = heapLeft[last];
      int total = heapLength[last];
      int i = 0;
      while (2 * i + 1 < heapSize) {
        int child = 2 * i + 1;
        if (child + 1 < heapSize && before(heapScore[child + 1], heapLeft[child + 1], child)) {
          child++;
        }
        if (!before(heapScore[child], heapLeft[child], score, left)) {
          break;
        }
        move(child, i);
        i = child;
      }
      heapScore[i] = score;
      heapLeft[i] = left;
      heapLength[i] = total;
    }

    private static boolean before(float childScore, int childLeft, float score, int left) {
      return childScore > score || (childScore == score && childLeft < left);
    }
  }

  @Override
  public byte[] tokenBytes(int token) {
    return switch (vocabulary().type(token)) {
      case NORMAL, UNUSED -> unescape(vocabulary().bytes(token));
      case USER_DEFINED -> vocabulary().bytes(token);
      case BYTE -> new byte[] {(byte) byteValue(token)};
      case CONTROL, UNKNOWN -> NOTHING;
    };
  }

  private int byteValue(int token) {
    String text = vocabulary().text(token);
    if (text.length() == 6 && text.startsWith("<0x") && text.endsWith(">")) {
      int high = Character.digit(text.charAt(3), 16);
      int low = Character.digit(text.charAt(4), 16);
      if (high >= 0 && low >= 0) {
        return high << 4 | low;
      }
    }
    throw new TokenizerException(
        "tokenizer.ggml.tokens: expected <0x00> to <0xFF> for byte token %d, found %s"
            .formatted(token, text.length() > 20 ? text.substring(0, 20) + "…" : text));
  }

  private static byte[] unescape(byte[] text) {
    int n = 0;
    for (int i = 0; i < text.length; n++) {
      if (i + 2 < text.length
          && text[i] == SPACE[0]
          && text[i + 1] == SPACE[1]
          && text[i + 2] == SPACE[2]) {
        text[n] = ' ';
        i += 3;
      } else {
        text[n] = text[i++];
      }
    }
    return Arrays.copyOf(text, n);
  }
}
