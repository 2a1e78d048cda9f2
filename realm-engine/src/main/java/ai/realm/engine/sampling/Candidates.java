package ai.realm.engine.sampling;

/// The tokens that may still be chosen, with their logits. Reused from token to token. The first
/// `sorted` of them are the most probable ones in order; equal logits are ordered by id, so that a
/// result does not depend on how it was computed.
final class Candidates {
  int[] ids = new int[0];
  float[] logits = new float[0];
  int size;

  /// How many at the front are in order and not less probable than any behind them.
  int sorted;

  /// Takes the tokens whose logit is not negative infinity.
  ///
  /// @throws IllegalArgumentException when there is none, or a logit is NaN or positive infinity
  void load(float[] from, int n) {
    if (ids.length < n) {
      ids = new int[n];
      logits = new float[n];
    }
    size = 0;
    sorted = 0;
    for (int i = 0; i < n; i++) {
      float l = from[i];
      if (l > Float.NEGATIVE_INFINITY) {
        ids[size] = i;
        logits[size++] = l;
      } else if (Float.isNaN(l)) {
        throw new IllegalArgumentException("logits: expected numbers, found NaN for token " + i);
      }
    }
    if (size == 0) {
      throw new IllegalArgumentException(
          "logits: expected a finite value for at least one token, found none");
    }
    if (max() == Float.POSITIVE_INFINITY) {
      throw new IllegalArgumentException("logits: expected finite values, found infinity");
    }
  }

  float max() {
    if (sorted > 0) {
      return logits[0];
    }
    float max = logits[0];
    for (int i = 1; i < size; i++) {
      max = Math.max(max, logits[i]);
    }
    return max;
  }

  /// Sum of `exp(logit − max)` over all candidates.
  double expSum(float max) {
    double sum = 0;
    for (int i = 0; i < size; i++) {
      sum += Math.exp(logits[i] - max);
    }
    return sum;
  }

  /// Puts the `count` most probable candidates in order at the front.
  void sort(int count) {
    int wanted = Math.min(count, size);
    if (sorted >= wanted) {
      return;
    }
    select(sorted, size, wanted);
    heapSort(sorted, wanted);
    sorted = wanted;
  }

  /// Drops all but the first `count`.
  void truncate(int count) {
    size = Math.min(size, count);
    sorted = Math.min(sorted, size);
  }

  /// Drops the first `count`, which must be in order.
  void dropFirst(int count) {
    System.arraycopy(ids, count, ids, 0, size - count);
    System.arraycopy(logits, count, logits, 0, size - count);
    size -= count;
    sorted -= count;
  }

  private boolean before(float logitA, int idA, float logitB, int idB) {
    return logitA > logitB || (logitA == logitB && idA < idB);
  }

  private void swap(int a, int b) {
    int id = ids[a];
    ids[a] = ids[b];
    ids[b] = id;
    float logit = logits[a];
    logits[a] = logits[b];
    logits[b] = logit;
  }

  /// Quickselect: moves the best candidates of `[from, to)` before index `end`.
  private void select(int from, int to, int end) {
    int low = from;
    int high = to - 1;
    while (low < high && end > low && end <= high) {
      int middle = low + high >>> 1;
      float logit = logits[middle];
      int id = ids[middle];
      int i = low;
      int j = high;
      while (i <= j) {
        while (before(logits[i], ids[i], logit, id)) {
          i++;
        }
        while (before(logit, id, logits[j], ids[j])) {
          j--;
        }
        if (i <= j) {
          swap(i++, j--);
        }
      }
      if (end <= j + 1) {
        high = j;
      } else if (end <= i) {
        return;
      } else {
        low = i;
      }
    }
  }

  private void heapSort(int from, int to) {
    int n = to - from;
    for (int i = n / 2 - 1; i >= 0; i--) {
      siftDown(from, i, n);
    }
    for (int end = n - 1; end > 0; end--) {
      swap(from, from + end);
      siftDown(from, 0, end);
    }
  }

  private void siftDown(int from, int start, int n) {
    int root = start;
    while (2 * root + 1 < n) {
      int child = from + 2 * root + 1;
      if (2 * root + 2 < n
          && before(logits[child], ids[child], logits[child + 1], ids[child + 1])) {
        child++;
      }
      int r = from + root;
      if (!before(logits[r], ids[r], logits[child], ids[child])) {
        return;
      }
      swap(r, child);
      root = child - from;
    }
  }
}
