package ai.realm.tokenizer;

import java.util.BitSet;

/// Finds special tokens in text: longer ones first, each from left to right, in what the ones before
/// left over; white space beside them goes with those that take it. See `tokenizer_st_partition` in
/// llama.cpp. The time is that of one pass over the text per length of special tokens in it.
final class SpecialTokens {
  private final Vocabulary vocabulary;
  private final ByteTrie trie = new ByteTrie();
  private final boolean[] first = new boolean[256];
  private final boolean[] firstUserDefined = new boolean[256];

  SpecialTokens(Vocabulary vocabulary) {
    this.vocabulary = vocabulary;
    for (int id = 0; id < vocabulary.size(); id++) {
      if (vocabulary.has(
          id, TokenAttributes.CONTROL | TokenAttributes.USER_DEFINED | TokenAttributes.UNKNOWN)) {
        byte[] text = vocabulary.texts().copy(id);
        trie.insert(text, id);
        first[text[0] & 0xff] = true;
        if (isUserDefined(id)) {
          firstUserDefined[text[0] & 0xff] = true;
        }
      }
    }
  }

  /// A text in pieces, from left to right: piece i is text if `token[i]` is −1, else that token.
  @SuppressWarnings("ArrayRecordComponent") // read in this package only
  record Partition(int[] token, int[] from, int[] to) {}

  /// User-defined tokens are found in any text, the others where `parseSpecial` asks for them.
  Partition partition(byte[] text, boolean parseSpecial) {
    BitSet lengths = lengths(text, parseSpecial);
    if (lengths.isEmpty()) {
      return new Partition(new int[] {-1}, new int[] {0}, new int[] {text.length});
    }
    BitSet taken = new BitSet(text.length);
    BitSet starts = new BitSet(text.length);
    BitSet stripped = new BitSet();
    int[] tokenAt = new int[text.length];
    for (int n = lengths.length() - 1; n > 0; n = lengths.previousSetBit(n - 1)) {
      boolean[] begins = parseSpecial ? first : firstUserDefined;
      for (int at = 0; at + n <= text.length; at++) {
        if (!begins[text[at] & 0xff] || taken.get(at)) {
          continue;
        }
        int token = match(text, at, n, parseSpecial);
        if (token < 0) {
          continue;
        }
        if (isTaken(taken, at, at + n)) {
          continue;
        }
        taken.set(at, at + n);
        starts.set(at);
        tokenAt[at] = token;
        strip(text, at, at + n, token, taken, stripped);
        at += n - 1;
      }
    }
    return pieces(text.length, taken, starts, stripped, tokenAt);
  }

  /// Looks no further than the end: what is taken next may be the end of a long text.
  private static boolean isTaken(BitSet taken, int from, int to) {
    for (int i = from; i < to; i++) {
      if (taken.get(i)) {
        return true;
      }
    }
    return false;
  }

  /// The lengths of the special tokens that occur at all; mostly none.
  private BitSet lengths(byte[] text, boolean parseSpecial) {
    BitSet found = new BitSet();
    boolean[] begins = parseSpecial ? first : firstUserDefined;
    for (int at = 0; at < text.length; at++) {
      if (!begins[text[at] & 0xff]) {
        continue;
      }
      int node = trie.child(ByteTrie.ROOT, text[at]);
      for (int end = at + 1; node >= 0; end++) {
        if (allowed(trie.value(node), parseSpecial)) {
          found.set(end - at);
        }
        if (end == text.length) {
          break;
        }
        node = trie.child(node, text[end]);
      }
    }
    return found;
  }

  private int match(byte[] text, int at, int length, boolean parseSpecial) {
    int node = ByteTrie.ROOT;
    for (int i = at; i < at + length; i++) {
      node = trie.child(node, text[i]);
      if (node < 0) {
        return -1;
      }
    }
    int token = trie.value(node);
    return allowed(token, parseSpecial) ? token : -1;
  }

  private boolean allowed(int token, boolean parseSpecial) {
    return token >= 0 && (parseSpecial || isUserDefined(token));
  }

  private boolean isUserDefined(int token) {
    return !vocabulary.has(token, TokenAttributes.CONTROL | TokenAttributes.UNKNOWN);
  }

  private void strip(byte[] text, int from, int to, int token, BitSet taken, BitSet stripped) {
    if (vocabulary.has(token, TokenAttributes.LSTRIP)) {
      for (int i = from - 1; i >= 0 && !taken.get(i) && isSpace(text[i]); i--) {
        taken.set(i);
        stripped.set(i);
      }
    }
    if (vocabulary.has(token, TokenAttributes.RSTRIP)) {
      for (int i = to; i < text.length && !taken.get(i) && isSpace(text[i]); i++) {
        taken.set(i);
        stripped.set(i);
      }
    }
  }

  static boolean isSpace(byte b) {
    return b == ' ' || (b >= '\t' && b <= '\r');
  }

  private Partition pieces(
      int length, BitSet taken, BitSet starts, BitSet stripped, int[] tokenAt) {
    IntList token = new IntList();
    IntList from = new IntList();
    IntList to = new IntList();
    for (int at = 0; at < length; ) {
      int end;
      if (starts.get(at)) {
        end = at + vocabulary.texts().length(tokenAt[at]);
        token.add(tokenAt[at]);
      } else if (stripped.get(at)) {
        at = stripped.nextClearBit(at);
        continue;
      } else {
        int next = taken.nextSetBit(at);
        end = next < 0 ? length : next;
        token.add(-1);
      }
      from.add(at);
      to.add(end);
      at = end;
    }
    return new Partition(token.toArray(), from.toArray(), to.toArray());
  }
}
