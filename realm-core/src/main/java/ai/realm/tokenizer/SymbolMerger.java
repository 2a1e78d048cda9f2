package ai.realm.tokenizer;

import java.util.Arrays;

/// Merges neighbouring symbols, the pair with the least key first, the leftmost of equals, until none
/// merges. Short texts are searched from end to end; long ones keep their pairs in a heap: n log n for n
/// symbols. One belongs to one call of `encode`.
abstract class SymbolMerger {
  /// No merge.
  static final long NONE = (long) Integer.MAX_VALUE << 32;

  /// Up to here a search is quicker than a heap.
  private static final int SHORT = 48;

  private static final long KEY = 0xffffffffL << 32;

  /// The symbols of the text, set by the caller up to the length given to [#merge].
  int[] symbol = new int[64];

  /// Where each symbol begins, for mergers that look at the text.
  int[] start = new int[64];

  /// Key and result of each symbol with the next one.
  private long[] merge = new long[64];

  private int[] next = new int[0];
  private int[] previous = new int[0];
  private long[] heap = new long[0];
  private int heapSize;

  /// Key of the merge of two neighbours in the upper half, the merged symbol in the lower; or [#NONE].
  ///
  /// @param after the symbol after `right`, or −1
  abstract long find(int left, int right, int after);

  void ensureCapacity(int n) {
    if (symbol.length < n) {
      int capacity = Math.max(n, (int) Math.min(2L * symbol.length, Integer.MAX_VALUE - 8));
      symbol = Arrays.copyOf(symbol, capacity);
      start = Arrays.copyOf(start, capacity);
      merge = new long[capacity];
    }
  }

  /// Merges the first `n` symbols in place.
  ///
  /// @return how many are left
  int merge(int n) {
    return n <= SHORT ? mergeShort(n) : mergeLong(n);
  }

  private int mergeShort(int length) {
    int n = length;
    for (int i = 0; i + 1 < n; i++) {
      merge[i] = find(i, i + 1, i + 2 < n ? i + 2 : -1);
    }
    while (n > 1) {
      int best = 0;
      for (int i = 1; i + 1 < n; i++) {
        if (merge[i] >> 32 < merge[best] >> 32) {
          best = i;
        }
      }
      if (merge[best] == NONE) {
        return n;
      }
      symbol[best] = (int) merge[best];
      n--;
      for (int i = best + 1; i < n; i++) {
        symbol[i] = symbol[i + 1];
        start[i] = start[i + 1];
        merge[i] = merge[i + 1];
      }
      if (best + 1 < n) {
        merge[best] = find(best, best + 1, best + 2 < n ? best + 2 : -1);
      }
      if (best > 0) {
        merge[best - 1] = find(best - 1, best, best + 1 < n ? best + 1 : -1);
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
    }
    for (int i = 0; i < n; i++) {
      offer(i);
    }
    while (heapSize > 0) {
      long top = poll();
      int left = (int) top;
      if (merge[left] == NONE || (merge[left] & KEY) != (top & KEY)) {
        continue; // one of the two has merged since
      }
      int right = next[left];
      symbol[left] = (int) merge[left];
      merge[right] = NONE;
      next[left] = next[right];
      if (next[left] >= 0) {
        previous[next[left]] = left;
      }
      offer(left);
      if (previous[left] >= 0) {
        offer(previous[left]);
      }
    }
    int left = 0;
    for (int i = 0; i >= 0; i = next[i], left++) {
      symbol[left] = symbol[i];
      start[left] = start[i];
    }
    return left;
  }

  private void offer(int left) {
    int right = next[left];
    merge[left] = right < 0 ? NONE : find(left, right, next[right]);
    if (merge[left] == NONE) {
      return;
    }
    long entry = merge[left] & KEY | left;
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
