package ai.realm.tokenizer;

/// A text as code points with their [CodePoints] kinds, which is what the pre-tokenizers read.
final class CodePointText {
  final int[] codePoint;
  final byte[] kind;
  final int length;
  final boolean ascii;

  /// @param utf8 well-formed UTF-8 in `[from, to)`
  CodePointText(byte[] utf8, int from, int to) {
    codePoint = new int[to - from];
    kind = new byte[to - from];
    int n = 0;
    int at = from;
    while (at < to) {
      int b = utf8[at];
      int cp;
      if (b >= 0) {
        codePoint[n] = b;
        kind[n++] = (byte) CodePoints.asciiKind((byte) b);
        at++;
        continue;
      } else if (b < (byte) 0xe0) {
        cp = (b & 0x1f) << 6 | utf8[at + 1] & 0x3f;
        at += 2;
      } else if (b < (byte) 0xf0) {
        cp = (b & 0xf) << 12 | (utf8[at + 1] & 0x3f) << 6 | utf8[at + 2] & 0x3f;
        at += 3;
      } else {
        cp =
            (b & 7) << 18
                | (utf8[at + 1] & 0x3f) << 12
                | (utf8[at + 2] & 0x3f) << 6
                | utf8[at + 3] & 0x3f;
        at += 4;
      }
      codePoint[n] = cp;
      kind[n++] = (byte) CodePoints.kind(cp);
    }
    length = n;
    ascii = n == to - from;
  }

  boolean is(int at, int kinds) {
    return (kind[at] & kinds) != 0;
  }

  /// The end of the characters from `at` that are of one of `kinds`.
  int skip(int at, int to, int kinds) {
    int i = at;
    while (i < to && (kind[i] & kinds) != 0) {
      i++;
    }
    return i;
  }

  /// The end of the characters from `at` that are of none of `kinds`.
  int skipOther(int at, int to, int kinds) {
    int i = at;
    while (i < to && (kind[i] & kinds) == 0) {
      i++;
    }
    return i;
  }
}
