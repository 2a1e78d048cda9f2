package ai.realm.tokenizer;

import java.util.Arrays;

/// Merges the symbols of one word, pair of lowest rank first, the leftmost of equals. Short words are
/// searched from end to end; long ones keep their pairs in a heap, n log n for n symbols. One belongs
/// to one call of `encode`.
final class WordMerger {
  /// Up to here a search is quicker than a heap.
  private static final int SHORT = 48;

  private static final long NO_MERGE = (long) MergeTable.NONE << 32;

  private final MergeTable merges;

  /// The symbols of the word, set by the caller up to the length given to [#merge].
  int[] symbols = new int[64];

  /// Rank and result of symbol i with the next one.
  private long[] merge = new long[64];

  private int[] next = new int[0];
  private int[] previous = new int[0];
  private long[] heap = new long[0];
  private int heapSize;

  WordMerger(MergeTable merges) {
    this.merges = merges;
  }

  void ensureCapacity(int n) {
    if (symbols.length < n) {
      int capacity = Math.max(n, (int) Math.min(2L * symbols.length, Integer.MAX_VALUE - 8));
      symbols = Arrays.copyOf(symbols, capacity);
      merge = new long[capacity];
    }
  }

  /// Merges `symbols[0, n)` in place.
  ///
  /// @return how many are left
  int merge(int n) {
    return n <= SHORT ? mergeShort(n) : mergeLong(n);
  }

  private int mergeShort(int length) {
    int n = length;
    for (int i = 0; i + 1 < n; i++) {
      merge[i] = merges.find(symbols[i], symbols[i + 1]);
    }
    while (n > 1) {
      int best = 0;
      long least = merge[0];
      for (int i = 1; i + 1 < n; i++) {
        if (merge[i] < least) { // equal values are the same two symbols
          least = merge[i];
          best = i;
        }
      }
      if (least == NO_MERGE) {
        return n;
      }
      symbols[best] = (int) least;
      n--;
      for (int i = best + 1; i < n; i++) {
        symbols[i] = symbols[i + 1];
        merge[i] = merge[i + 1];
      }
      if (best + 1 < n) {
        merge[best] = merges.find(symbols[best], symbols[best + 1]);
      }
      if (best > 0) {
        merge[best - 1] = merges.find(symbols[best - 1], symbols[best]);
      }
    }
    return n;
  }

  private int mergeLong(int n) {
    if (next.length < n) {
      next = new int[n];
      previous = new int[n];
      heap = new long[n + 16];
    }
    heapSize = 0;
    for (int i = 0; i < n; i++) {
      next[i] = i + 1 < n ? i + 1 : -1;
      previous[i] = i - 1;
      merge[i] = NO_MERGE;
      if (i + 1 < n) {
        offer(i);
      }
    }
    while (heapSize > 0) {
      long top = poll();
      int left = (int) top;
      if (merge[left] >>> 32 != top >>> 32 || merge[left] == NO_MERGE) {
        continue; // one of the two has merged since
      }
      int right = next[left];
      symbols[left] = (int) merge[left];
      merge[right] = NO_MERGE;
      next[left] = next[right];
      if (next[left] >= 0) {
        previous[next[left]] = left;
        offer(left);
      } else {
        merge[left] = NO_MERGE;
      }
      if (previous[left] >= 0) {
        offer(previous[left]);
      }
    }
    int left = 0;
    for (int i = 0; i >= 0; i = next[i]) {
      symbols[left++] = symbols[i];
    }
    return left;
  }

  private void offer(int left) {
    merge[left] = merges.find(symbols[left], symbols[next[left]]);
    if (merge[left] == NO_MERGE) {
      return;
    }
    long entry = merge[left] >>> 32 << 32 | left;
    if (heapSize == heap.length) {
      heap = Arrays.copyOf(heap, 2 * heapSize);
    }
    int i = heapSize++;
    while (i > 0 && entry < heap[(i - 1) / 2]) {
      heap[i] = heap[(i - 1) / 2];
      i = (i - 1) / 2;
    }
    heap[i] = entry;
  }

  private long poll() {
    long top = heap[0];
    long last = heap[--heapSize];
    int i = 0;
    while (2 * i + 1 < heapSize) {
      int child = 2 * i + 1;
      if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
        child++;
      }
      if (heap[child] >= last) {
        break;
      }
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
