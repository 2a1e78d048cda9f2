package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A set of Unicode characters as sorted, disjoint ranges. Surrogates are no characters.
final class CharSet {
  /// Every character.
  static final CharSet ALL = of(0, 0x10ffff);

  private final int[] bounds;

  private CharSet(int[] bounds) {
    this.bounds = bounds;
  }

  /// The characters from `first` to `last`.
  static CharSet of(int first, int last) {
    return union(List.of(new int[] {first, last}));
  }

  /// The characters of a text.
  static CharSet of(String characters) {
    List<int[]> ranges = new ArrayList<>();
    characters.codePoints().forEach(c -> ranges.add(new int[] {c, c}));
    return union(ranges);
  }

  /// The characters of all ranges (first, last).
  static CharSet union(List<int[]> ranges) {
    List<int[]> valid = new ArrayList<>();
    for (int[] r : ranges) {
      if (r[0] < 0xd800) {
        valid.add(new int[] {r[0], Math.min(r[1], 0xd7ff)});
      }
      if (r[1] > 0xdfff) {
        valid.add(new int[] {Math.max(r[0], 0xe000), r[1]});
      }
    }
    valid.sort((a, b) -> Integer.compare(a[0], b[0]));
    int[] merged = new int[2 * valid.size()];
    int n = 0;
    for (int[] r : valid) {
      if (r[1] < r[0]) {
        continue;
      }
      if (n > 0 && r[0] <= merged[n - 1] + 1) {
        merged[n - 1] = Math.max(merged[n - 1], r[1]);
      } else {
        merged[n++] = r[0];
        merged[n++] = r[1];
      }
    }
    return new CharSet(Arrays.copyOf(merged, n));
  }

  /// The characters of either.
  CharSet or(CharSet other) {
    List<int[]> all = new ArrayList<>(ranges());
    all.addAll(other.ranges());
    return union(all);
  }

  /// The characters that are not in it.
  CharSet not() {
    List<int[]> gaps = new ArrayList<>();
    int from = 0;
    for (int[] r : ranges()) {
      if (r[0] > from) {
        gaps.add(new int[] {from, r[0] - 1});
      }
      from = r[1] + 1;
    }
    if (from <= 0x10ffff) {
      gaps.add(new int[] {from, 0x10ffff});
    }
    return union(gaps);
  }

  /// The characters of both.
  CharSet and(CharSet other) {
    return not().or(other.not()).not();
  }

  boolean isEmpty() {
    return bounds.length == 0;
  }

  boolean contains(int c) {
    for (int i = 0; i < bounds.length; i += 2) {
      if (c >= bounds[i] && c <= bounds[i + 1]) {
        return true;
      }
    }
    return false;
  }

  List<int[]> ranges() {
    List<int[]> ranges = new ArrayList<>();
    for (int i = 0; i < bounds.length; i += 2) {
      ranges.add(new int[] {bounds[i], bounds[i + 1]});
    }
    return ranges;
  }
}
