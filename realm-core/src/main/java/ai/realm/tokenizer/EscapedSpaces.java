package ai.realm.tokenizer;

import java.util.Arrays;

/// Spaces as SentencePiece writes them: ▁ (U+2581).
final class EscapedSpaces {
  private static final byte[] SPACE = {(byte) 0xe2, (byte) 0x96, (byte) 0x81};

  private EscapedSpaces() {}

  /// The text `utf8[from, to)` with ▁ for each space, and one more in front if `prefix`.
  static byte[] escape(byte[] utf8, int from, int to, boolean prefix) {
    int spaces = prefix ? 1 : 0;
    for (int i = from; i < to; i++) {
      spaces += utf8[i] == ' ' ? 1 : 0;
    }
    byte[] out = new byte[Math.addExact(to - from, 2 * spaces + (prefix ? 1 : 0))];
    int n = prefix ? put(out, 0) : 0;
    for (int i = from; i < to; i++) {
      if (utf8[i] == ' ') {
        n = put(out, n);
      } else {
        out[n++] = utf8[i];
      }
    }
    return out;
  }

  private static int put(byte[] out, int at) {
    out[at] = SPACE[0];
    out[at + 1] = SPACE[1];
    out[at + 2] = SPACE[2];
    return at + 3;
  }

  static boolean isAt(byte[] text, int at) {
    return at + 2 < text.length
        && text[at] == SPACE[0]
        && text[at + 1] == SPACE[1]
        && text[at + 2] == SPACE[2];
  }

  /// Changes `text`; the result has a space for each ▁.
  static byte[] unescape(byte[] text) {
    int n = 0;
    for (int i = 0; i < text.length; n++) {
      if (isAt(text, i)) {
        text[n] = ' ';
        i += 3;
      } else {
        text[n] = text[i++];
      }
    }
    return n == text.length ? text : Arrays.copyOf(text, n);
  }
}
