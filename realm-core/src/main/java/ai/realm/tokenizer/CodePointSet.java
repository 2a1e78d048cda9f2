package ai.realm.tokenizer;

import java.util.Arrays;

/// A set of characters: ranges, and kinds of [CodePoints]. White space beyond ASCII is in no range, as
/// llama.cpp puts a vertical tab in its place before it applies such patterns.
final class CodePointSet {
  /// Each range as first and last, in ascending order.
  private final int[] ranges;

  private final int kinds;

  private CodePointSet(int[] ranges, int kinds) {
    this.ranges = ranges;
    this.kinds = kinds;
  }

  /// @param characters characters and ranges as between the brackets of a regular expression, where
  ///     everything but a `-` between two characters stands for itself
  static CodePointSet of(String characters) {
    return of(characters, 0);
  }

  /// The characters of `characters` and those of `kinds`.
  static CodePointSet of(String characters, int kinds) {
    int[] cps = characters.codePoints().toArray();
    long[] found = new long[cps.length];
    int n = 0;
    for (int i = 0; i < cps.length; n++) {
      boolean range = i + 2 < cps.length && cps[i + 1] == '-';
      int last = range ? cps[i + 2] : cps[i];
      found[n] = (long) cps[i] << 32 | last;
      i += range ? 3 : 1;
    }
    Arrays.sort(found, 0, n);
    int[] ranges = new int[2 * n];
    for (int i = 0; i < n; i++) {
      ranges[2 * i] = (int) (found[i] >>> 32);
      ranges[2 * i + 1] = (int) found[i];
    }
    return new CodePointSet(ranges, kinds);
  }

  boolean contains(int cp, int kind) {
    if ((kind & kinds) != 0) {
      return true;
    }
    if (cp > 127 && (kind & CodePoints.SPACE) != 0) {
      return false;
    }
    int low = 0;
    int high = ranges.length / 2 - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      if (cp < ranges[2 * middle]) {
        high = middle - 1;
      } else if (cp > ranges[2 * middle + 1]) {
        low = middle + 1;
      } else {
        return true;
      }
    }
    return false;
  }
}
