package ai.realm.tokenizer;

import java.util.Arrays;

/// What SentencePiece does to a text before it cuts it: replaces characters by a [CharacterMap], writes
/// spaces as ▁, puts one in front, and makes runs of them one.
final class UnigramNormalizer {
  private static final byte[] ESCAPED_SPACE = {(byte) 0xe2, (byte) 0x96, (byte) 0x81};

  private final CharacterMap map;
  private final ByteTrie userDefined;
  private final boolean addPrefix;
  private final boolean mergeSpaces;

  /// @param userDefined texts that stay as they are
  UnigramNormalizer(
      CharacterMap map, ByteTrie userDefined, boolean addPrefix, boolean mergeSpaces) {
    this.map = map;
    this.userDefined = userDefined;
    this.addPrefix = addPrefix;
    this.mergeSpaces = mergeSpaces;
  }

  byte[] normalize(byte[] utf8, int from, int to) {
    Output out = new Output(to - from);
    for (int at = from; at < to; ) {
      int kept = prefixInVocabulary(utf8, at, to);
      if (kept > 0) {
        out.add(utf8, at, at + kept);
        at += kept;
        continue;
      }
      CharacterMap.Match match = map.longest(utf8, at, to);
      if (match != null) {
        out.add(match.replacement(), 0, match.replacement().length);
        at += match.length();
        continue;
      }
      int length = Math.min(SpmTokenizer.characterLength(utf8[at]), to - at);
      out.add(utf8, at, at + length);
      at += length;
    }
    return out.toArray();
  }

  /// How far the text runs along the user-defined tokens, as llama.cpp has it: not only to the end of
  /// one.
  private int prefixInVocabulary(byte[] utf8, int at, int to) {
    int node = ByteTrie.ROOT;
    int end = at;
    while (end < to) {
      node = userDefined.child(node, utf8[end]);
      if (node < 0) {
        break;
      }
      end++;
    }
    return end - at;
  }

  private final class Output {
    private byte[] bytes;
    private int size;
    private boolean prefixed;
    private boolean inWord;

    Output(int expected) {
      bytes = new byte[Math.max(16, expected + expected / 2)];
    }

    void add(byte[] text, int from, int to) {
      for (int i = from; i < to; i++) {
        if (text[i] != ' ') {
          if (!inWord) {
            inWord = true;
            if ((addPrefix && !prefixed) || mergeSpaces) {
              put(ESCAPED_SPACE);
              prefixed = true;
            }
          }
          put(text[i]);
        } else {
          inWord = false;
          if (!mergeSpaces) {
            put(ESCAPED_SPACE);
          }
        }
      }
    }

    private void put(byte... more) {
      if (bytes.length - size < more.length) {
        bytes = Arrays.copyOf(bytes, 2 * bytes.length);
      }
      for (byte b : more) {
        bytes[size++] = b;
      }
    }

    byte[] toArray() {
      return Arrays.copyOf(bytes, size);
    }
  }
}
