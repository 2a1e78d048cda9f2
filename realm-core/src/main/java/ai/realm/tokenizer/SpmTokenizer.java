package ai.realm.tokenizer;

import java.util.Arrays;

/// SentencePiece BPE: spaces become ▁, the text is cut into characters, and the neighbours whose union
/// is the token of highest score merge until none are left; what is no token falls back to its bytes.
/// See Kudo & Richardson 2018, and `llm_tokenizer_spm` in llama.cpp for the order of ties (leftmost
/// first).
///
/// Merges come from a heap: n log n for a text of n characters. Where no token has a ▁ after another
/// character, no merge crosses the begin of a word, and the words are merged one by one.
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

  /// The merging of one piece of text after another. Symbols are a doubly linked list over `bytes`; a
  /// merge extends the left one and empties the right one. A heap entry is stale when a length has
  /// changed since.
  private final class Merger {
    private final byte[] bytes;
    private int[] start = new int[64];
    private int[] length = new int[64];
    private int[] previous = new int[64];
    private int[] next = new int[64];

    private float[] heapScore = new float[64];
    private int[] heapLeft = new int[64];
    private int[] heapLength = new int[64];
    private int heapSize;

    Merger(byte[] bytes) {
      this.bytes = bytes;
    }

    void run(int from, int to, IntList out) {
      if (from == to) {
        return;
      }
      ensureCapacity(to - from);
      int symbols = 0;
      for (int at = from; at < to; symbols++) {
        start[symbols] = at;
        length[symbols] = Math.min(characterLength(bytes[at]), to - at);
        previous[symbols] = symbols - 1;
        next[symbols] = symbols + 1;
        at += length[symbols];
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

    private void ensureCapacity(int n) {
      if (start.length < n) {
        int capacity = Math.max(n, 2 * start.length);
        start = new int[capacity];
        length = new int[capacity];
        previous = new int[capacity];
        next = new int[capacity];
      }
    }

    private void emit(int s, IntList out) {
      int token = vocabulary().texts().find(bytes, start[s], start[s] + length[s]);
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

    /// Puts symbol `left` and its right neighbour into the heap if together they are a token.
    private void offer(int left) {
      int right = next[left];
      int total = length[left] + length[right];
      int token = vocabulary().texts().find(bytes, start[left], start[left] + total);
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
      set(i, score, left, total);
    }

    private boolean before(float score, int left, int entry) {
      return score > heapScore[entry] || (score == heapScore[entry] && left < heapLeft[entry]);
    }

    private void move(int from, int to) {
      set(to, heapScore[from], heapLeft[from], heapLength[from]);
    }

    private void set(int entry, float score, int left, int total) {
      heapScore[entry] = score;
      heapLeft[entry] = left;
      heapLength[entry] = total;
    }

    private void pop() {
      int last = --heapSize;
      if (last == 0) {
        return;
      }
      float score = heapScore[last];
      int left = heapLeft[last];
      int i = 0;
      while (2 * i + 1 < heapSize) {
        int child = 2 * i + 1;
        if (child + 1 < heapSize && before(heapScore[child + 1], heapLeft[child + 1], child)) {
          child++;
        }
        if (before(score, left, child)) {
          break;
        }
        move(child, i);
        i = child;
      }
      set(i, score, left, heapLength[last]);
    }
  }

  @Override
  byte[] normalBytes(int token) {
    return EscapedSpaces.unescape(vocabulary().texts().copy(token));
  }
}
