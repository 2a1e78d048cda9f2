package ai.realm.engine.grammar;

import java.util.Arrays;

/// A set of Unicode scalar values as sorted, disjoint ranges: first, last, first, last, … Surrogates are
/// never in it, since UTF-8 cannot say them. Immutable.
final class CodePoints {
  static final CodePoints NONE = new CodePoints(new int[0]);
  static final CodePoints ALL = of(0, Character.MAX_CODE_POINT);

  private final int[] bounds;

  private CodePoints(int[] bounds) {
    this.bounds = bounds;
  }

  static CodePoints of(int first, int last) {
    return new CodePoints(normalize(new int[] {first, last}));
  }

  static CodePoints of(int codePoint) {
    return of(codePoint, codePoint);
  }

  /// The set of `first, last` pairs in any order, overlapping or not.
  static CodePoints ofRanges(int... pairs) {
    return new CodePoints(normalize(pairs));
  }

  int ranges() {
    return bounds.length / 2;
  }

  int first(int range) {
    return bounds[2 * range];
  }

  int last(int range) {
    return bounds[2 * range + 1];
  }

  boolean isEmpty() {
    return bounds.length == 0;
  }

  boolean contains(int codePoint) {
    for (int i = 0; i < bounds.length; i += 2) {
      if (codePoint >= bounds[i] && codePoint <= bounds[i + 1]) {
        return true;
      }
    }
    return false;
  }

  CodePoints or(CodePoints other) {
    int[] both = Arrays.copyOf(bounds, bounds.length + other.bounds.length);
    System.arraycopy(other.bounds, 0, both, bounds.length, other.bounds.length);
    return new CodePoints(normalize(both));
  }

  CodePoints not() {
    int[] out = new int[bounds.length + 2];
    int n = 0;
    int next = 0;
    for (int i = 0; i < bounds.length; i += 2) {
      if (bounds[i] > next) {
        out[n++] = next;
        out[n++] = bounds[i] - 1;
      }
      next = bounds[i + 1] + 1;
    }
    if (next <= Character.MAX_CODE_POINT) {
      out[n++] = next;
      out[n++] = Character.MAX_CODE_POINT;
    }
    return new CodePoints(normalize(Arrays.copyOf(out, n)));
  }

  CodePoints and(CodePoints other) {
    return not().or(other.not()).not();
  }

  CodePoints minus(CodePoints other) {
    return and(other.not());
  }

  private static int[] normalize(int[] pairs) {
    int n = pairs.length / 2;
    long[] sorted = new long[2 * n];
    int m = 0;
    for (int i = 0; i < n; i++) {
      int first = pairs[2 * i];
      int last = pairs[2 * i + 1];
      // cut out the surrogates D800-DFFF
      if (first < 0xD800) {
        sorted[m++] = (long) first << 32 | Math.min(last, 0xD7FF);
      }
      if (last > 0xDFFF) {
        sorted[m++] = (long) Math.max(first, 0xE000) << 32 | last;
      }
    }
    Arrays.sort(sorted, 0, m);
    int[] out = new int[2 * m];
    int k = 0;
    for (int i = 0; i < m; i++) {
      int first = (int) (sorted[i] >>> 32);
      int last = (int) sorted[i];
      if (first > last) {
        continue;
      }
      if (k > 0 && first <= out[k - 1] + 1) {
        out[k - 1] = Math.max(out[k - 1], last);
      } else {
        out[k++] = first;
        out[k++] = last;
      }
    }
    return Arrays.copyOf(out, k);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof CodePoints c && Arrays.equals(bounds, c.bounds);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bounds);
  }
}
