package ai.realm.tokenizer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// SentencePiece's precompiled normalization: which byte sequences are replaced by which.
///
/// ```
/// size of the trie in bytes u32 | trie: u32 units | replacements, each ended by a NUL
/// unit: label in bits 0-7 and 31 | has a leaf: bit 8 | offset: bits 10-30, times 256 if bit 9 is set
/// leaf: offset of the replacement in bits 0-30
/// ```
/// The trie is a double array: the child of the unit at `base` over byte c is at `base ^ c`. See
/// darts-clone, and Kanda 2018.
final class CharacterMap {
  static final String KEY = "tokenizer.ggml.precompiled_charsmap";

  private static final int LABEL = 0x800000ff;

  private final int[] trie;
  private final byte[] replacements;

  private CharacterMap(int[] trie, byte[] replacements) {
    this.trie = trie;
    this.replacements = replacements;
  }

  static CharacterMap none() {
    return new CharacterMap(new int[0], new byte[0]);
  }

  /// @throws TokenizerException when the sizes contradict each other
  static CharacterMap of(byte[] blob) {
    if (blob.length == 0) {
      return none();
    }
    ByteBuffer in = ByteBuffer.wrap(blob).order(ByteOrder.LITTLE_ENDIAN);
    long size = blob.length < 4 ? -1 : in.getInt() & 0xffffffffL;
    if (size < 0 || size % 4 != 0 || size + 4 >= blob.length) {
      throw new TokenizerException(
          "%s: expected a trie of whole units and replacements after it, found %d of %d bytes"
              .formatted(KEY, size, blob.length));
    }
    int[] trie = new int[(int) size / 4];
    in.asIntBuffer().get(trie);
    return new CharacterMap(trie, Arrays.copyOfRange(blob, (int) size + 4, blob.length));
  }

  /// A sequence that is replaced.
  ///
  /// @param length how many bytes of the text
  @SuppressWarnings("ArrayRecordComponent") // read at once
  record Match(int length, byte[] replacement) {}

  /// The longest sequence at `text[at]` that has a replacement, or null.
  @Nullable Match longest(byte[] text, int at, int to) {
    if (trie.length == 0) {
      return null;
    }
    int length = 0;
    int replacement = 0;
    int node = offset(unit(0));
    for (int i = at; i < to && text[i] != 0; i++) {
      int c = text[i] & 0xff;
      node ^= c;
      if ((unit(node) & LABEL) != c) {
        break;
      }
      boolean leaf = (unit(node) >> 8 & 1) != 0;
      node ^= offset(unit(node));
      if (leaf) {
        length = i + 1 - at;
        replacement = unit(node) & 0x7fffffff;
      }
    }
    return length == 0 ? null : new Match(length, replacement(replacement));
  }

  private int unit(int node) {
    if (node < 0 || node >= trie.length) {
      throw new TokenizerException(
          "%s: expected a unit below %d, found %d".formatted(KEY, trie.length, node));
    }
    return trie[node];
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & 1 << 9) >> 6);
  }

  private byte[] replacement(int start) {
    int end = start;
    while (end < replacements.length && replacements[end] != 0) {
      end++;
    }
    if (end >= replacements.length) {
      throw new TokenizerException(
          "%s: expected a replacement that ends before %d, found none at %d"
              .formatted(KEY, replacements.length, start));
    }
    return Arrays.copyOfRange(replacements, start, end);
  }
}
