package ai.realm.tokenizer;

import ai.realm.gguf.GgufArray;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// The texts of all tokens in one byte array, found through an open-addressing table: 150,000 tokens
/// cost no objects. Immutable.
final class TokenTexts {
  static final String KEY = "tokenizer.ggml.tokens";

  private static final byte[] NOTHING = {};
  private static final int MAX_TOKENS = 1 << 24;
  private static final int MAX_TOKEN_BYTES = 65_535;

  private final byte[] bytes;
  private final int[] offsets;
  private final int[] table;
  private final int longest;

  private TokenTexts(byte[] bytes, int[] offsets) {
    this.bytes = bytes;
    this.offsets = offsets;
    int most = 0;
    for (int id = 0; id < size(); id++) {
      most = Math.max(most, offsets[id + 1] - offsets[id]);
    }
    longest = most;
    table = index();
  }

  /// Copies the texts out of a file; an empty one becomes `[EMPTY_id]`, as in llama.cpp.
  ///
  /// @throws TokenizerException when there are none, too many, or two are the same
  static TokenTexts of(GgufArray tokens) {
    if (!tokens.isStrings() || tokens.size() == 0 || tokens.size() > MAX_TOKENS) {
      throw new TokenizerException(
          "%s: expected 1 to %d strings, found %d of %s"
              .formatted(KEY, MAX_TOKENS, tokens.size(), tokens.elementTypeName()));
    }
    int n = tokens.size();
    int[] offsets = new int[n + 1];
    byte[] bytes = new byte[Math.max(64, n * 8)];
    int end = 0;
    for (int id = 0; id < n; id++) {
      offsets[id] = end;
      byte[] empty = NOTHING;
      int length = tokens.stringLength(id);
      if (length == 0) {
        empty = ("[EMPTY_" + id + "]").getBytes(StandardCharsets.US_ASCII);
        length = empty.length;
      }
      if (length > MAX_TOKEN_BYTES || end > Integer.MAX_VALUE / 2 - MAX_TOKEN_BYTES) {
        throw new TokenizerException(
            "%s: expected at most %d bytes for token %d and 1 GiB for all, found %d"
                .formatted(KEY, MAX_TOKEN_BYTES, id, length));
      }
      if (bytes.length - end < length) {
        bytes = Arrays.copyOf(bytes, 2 * (end + length));
      }
      if (empty.length > 0) {
        System.arraycopy(empty, 0, bytes, end, length);
      } else {
        tokens.copyString(id, bytes, end);
      }
      end += length;
    }
    offsets[n] = end;
    return new TokenTexts(Arrays.copyOf(bytes, end), offsets);
  }

  private int[] index() {
    int mask = Integer.highestOneBit(Math.max(8, size() * 2 - 1)) * 2 - 1;
    int[] slots = new int[mask + 1];
    for (int id = 0; id < size(); id++) {
      int slot = hash(bytes, offsets[id], offsets[id + 1]) & mask;
      while (slots[slot] != 0) {
        if (equal(slots[slot] - 1, bytes, offsets[id], offsets[id + 1])) {
          throw new TokenizerException(
              "%s: expected distinct texts, found %s as tokens %d and %d"
                  .formatted(KEY, TokenizerException.quote(text(id)), slots[slot] - 1, id));
        }
        slot = slot + 1 & mask;
      }
      slots[slot] = id + 1;
    }
    return slots;
  }

  private static int hash(byte[] bytes, int from, int to) {
    int h = 0x811c9dc5;
    for (int i = from; i < to; i++) {
      h = (h ^ bytes[i]) * 0x01000193;
    }
    h *= 0x9e3779b1;
    return h ^ h >>> 15;
  }

  private boolean equal(int id, byte[] other, int from, int to) {
    int at = offsets[id];
    if (offsets[id + 1] - at != to - from) {
      return false;
    }
    for (int i = from; i < to; i++, at++) {
      if (bytes[at] != other[i]) {
        return false;
      }
    }
    return true;
  }

  /// The token whose text is `text[from, to)`, or −1.
  int find(byte[] text, int from, int to) {
    if (to - from > longest) {
      return -1;
    }
    int mask = table.length - 1;
    int slot = hash(text, from, to) & mask;
    while (table[slot] != 0) {
      if (equal(table[slot] - 1, text, from, to)) {
        return table[slot] - 1;
      }
      slot = slot + 1 & mask;
    }
    return -1;
  }

  int find(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return find(utf8, 0, utf8.length);
  }

  int size() {
    return offsets.length - 1;
  }

  /// Bytes of the longest text.
  int longest() {
    return longest;
  }

  String text(int id) {
    return new String(bytes, offsets[id], length(id), StandardCharsets.UTF_8);
  }

  byte[] copy(int id) {
    return Arrays.copyOfRange(bytes, offsets[id], offsets[id + 1]);
  }

  int length(int id) {
    return offsets[id + 1] - offsets[id];
  }

  byte at(int id, int i) {
    return bytes[offsets[id] + i];
  }
}
