package ai.realm.tokenizer;

import ai.realm.gguf.GgufArray;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The merges of a byte-pair encoding: which two neighbouring symbols become which one, and in which
/// order. Symbols are token ids; texts that only merges know have ids from the vocabulary's size on.
/// One open-addressing table holds pair, rank and result side by side, so that a look-up is one cache
/// line. Immutable.
final class MergeTable {
  static final String KEY = "tokenizer.ggml.merges";

  private static final int MAX_BYTES = 1 << 17;

  private final TokenTexts texts;
  private final List<byte[]> extra = new ArrayList<>();
  private final Map<String, Integer> extraIds = new HashMap<>();

  /// Slot i: pair plus one in `table[2 * i]` (0 is free), rank and result in `table[2 * i + 1]`.
  private final long[] table;

  private final int mask;

  private MergeTable(TokenTexts texts, int merges) {
    this.texts = texts;
    mask = Integer.highestOneBit(Math.max(8, merges + merges / 2)) * 2 - 1;
    table = new long[2 * (mask + 1)];
  }

  /// Reads merges such as `Ġt he`: earlier ones come first; of equal ones the first counts.
  ///
  /// @throws TokenizerException when one is not two texts with a space between
  static MergeTable of(GgufArray merges, TokenTexts texts) {
    if (!merges.isStrings()) {
      throw new TokenizerException(
          "%s: expected strings, found %s".formatted(KEY, merges.elementTypeName()));
    }
    MergeTable result = new MergeTable(texts, merges.size());
    byte[] line = new byte[256];
    for (int rank = 0; rank < merges.size(); rank++) {
      int length = merges.stringLength(rank);
      if (length > MAX_BYTES) {
        throw new TokenizerException(
            "%s: expected at most %d bytes for merge %d, found %d"
                .formatted(KEY, MAX_BYTES, rank, length));
      }
      if (line.length < length) {
        line = new byte[2 * length];
      }
      merges.copyString(rank, line, 0);
      result.add(line, length, rank);
    }
    return result;
  }

  static MergeTable empty(TokenTexts texts) {
    return new MergeTable(texts, 0);
  }

  private void add(byte[] line, int length, int rank) {
    int space = 1;
    while (space < length && line[space] != ' ') {
      space++;
    }
    if (space + 1 >= length) {
      throw new TokenizerException(
          "%s: expected two texts with a space between for merge %d, found %s"
              .formatted(
                  KEY,
                  rank,
                  TokenizerException.quote(new String(line, 0, length, StandardCharsets.UTF_8))));
    }
    int left = symbol(line, 0, space);
    int right = symbol(line, space + 1, length);
    System.arraycopy(line, space + 1, line, space, length - space - 1);
    int merged = symbol(line, 0, length - 1);
    long pair = pair(left, right);
    int slot = slot(pair);
    while (table[2 * slot] != 0) {
      if (table[2 * slot] == pair) {
        return;
      }
      slot = slot + 1 & mask;
    }
    table[2 * slot] = pair;
    table[2 * slot + 1] = (long) rank << 32 | merged;
  }

  /// The symbol of a text: its token, else an id of its own.
  int symbol(byte[] text, int from, int to) {
    int token = texts.find(text, from, to);
    if (token >= 0) {
      return token;
    }
    String name = new String(text, from, to - from, StandardCharsets.ISO_8859_1);
    Integer known = extraIds.get(name);
    if (known != null) {
      return known;
    }
    int id = texts.size() + extra.size();
    extra.add(Arrays.copyOfRange(text, from, to));
    extraIds.put(name, id);
    return id;
  }

  /// The text of a symbol that is no token.
  byte[] extraText(int symbol) {
    return extra.get(symbol - texts.size());
  }

  /// Forgets what only building needs.
  void seal() {
    extraIds.clear();
  }

  private static long pair(int left, int right) {
    return ((long) left << 32 | right) + 1;
  }

  private int slot(long pair) {
    long h = pair * 0x9e3779b97f4a7c15L;
    return (int) (h >>> 32 ^ h >>> 47) & mask;
  }

  /// Rank in the upper half and merged symbol in the lower, or [SymbolMerger#NONE].
  long find(int left, int right) {
    long pair = pair(left, right);
    int slot = slot(pair);
    while (true) {
      long found = table[2 * slot];
      if (found == pair) {
        return table[2 * slot + 1];
      }
      if (found == 0) {
        return SymbolMerger.NONE;
      }
      slot = slot + 1 & mask;
    }
  }
}
