package ai.realm.engine.sampling;

import java.util.Arrays;

/// The tokens that may still be chosen, with their logits, and the memory that choosing takes: reused from
/// token to token and from sampler to sampler, by one thread. The first
/// `sorted` of them are the most probable ones in order; equal logits are ordered by id, so that a
/// result does not depend on how it was computed.
public final class Candidates {
  /// So many are selected by looking once at each candidate.
  private static final int FEW = 256;

  /// Passes of a selection for each doubling of the candidates: chance needs fewer than half of them.
  private static final int MAX_PASSES = 4;

  int[] ids = new int[0];
  float[] logits = new float[0];
  int size;

  /// How many at the front are in order and not less probable than any behind them.
  int sorted;

  /// The greatest logit, where it is known.
  private float max;

  private boolean maxKnown;

  /// Random numbers of the choice at hand.
  final Draws draws = new Draws();

  private int vocabulary;

  /// Whether ids ascend, as they do until something is put in another order.
  private boolean byId;

  /// Where candidates are, by id, when ids do not ascend.
  private int[] places = new int[0];

  private final TokenCounts counts = new TokenCounts();
  private float[] distances = new float[0];
  private boolean byDistance;
  private int[] scratch = new int[0];

  /// None yet.
  public Candidates() {}

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
    vocabulary = n;
    byId = true;
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
    maxKnown = false;
    if (max() == Float.POSITIVE_INFINITY) {
      throw new IllegalArgumentException("logits: expected finite values, found infinity");
    }
  }

  /// Numbers by token, all 0, and the right to ask [#indexOf] until candidates move.
  TokenCounts counts() {
    counts.clear(vocabulary);
    if (!byId) {
      if (places.length < vocabulary) {
        places = new int[vocabulary];
      }
      for (int i = 0; i < size; i++) {
        places[ids[i]] = i;
      }
    }
    return counts;
  }

  /// Where a token below the vocabulary is, or a negative number where it is none of the candidates.
  int indexOf(int token) {
    if (byId) {
      return size == vocabulary ? token : Arrays.binarySearch(ids, 0, size, token);
    }
    int at = places[token];
    return at < size && ids[at] == token ? at : -1;
  }

  /// Takes note that logits have changed.
  void unordered() {
    sorted = 0;
    maxKnown = false;
  }

  /// Divides all logits, which leaves them in order. Where the greatest would become infinite, it becomes 0 and the
  /// others' distances from it are divided: the probabilities are the same. None is less than -[Float#MAX_VALUE].
  void divide(float by) {
    float greatest = max();
    float from = Float.isInfinite(greatest / by) ? greatest : 0;
    for (int i = 0; i < size; i++) {
      logits[i] = Math.max(-Float.MAX_VALUE, (logits[i] - from) / by);
    }
    max = (greatest - from) / by;
  }

  /// Room for a number of each candidate.
  float[] distances() {
    if (distances.length < size) {
      distances = new float[size];
    }
    return distances;
  }

  /// Room for `n` numbers.
  int[] scratch(int n) {
    if (scratch.length < n) {
      scratch = new int[Math.max(n, scratch.length * 3 / 2)];
    }
    return scratch;
  }

  float max() {
    if (sorted > 0) {
      return logits[0];
    }
    if (!maxKnown) {
      float best = logits[0];
      for (int i = 1; i < size; i++) {
        best = Math.max(best, logits[i]);
      }
      max = best;
      maxKnown = true;
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
    byId = false;
    select(sorted, size, wanted);
    heapSort(sorted, wanted);
    sorted = wanted;
  }

  /// Puts the candidates with the least of [#distances] in order at the front, of equal ones the most probable
  /// first; the first `from` are there already.
  void nearest(int from, int count) {
    byId = false;
    unordered();
    byDistance = true;
    select(from, size, count);
    heapSort(from, count);
    byDistance = false;
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
    maxKnown = false;
  }

  /// Whether candidate `a` comes before `b`, in the order that is being made.
  private boolean before(int a, int b) {
    return byDistance && distances[a] != distances[b]
        ? distances[a] < distances[b]
        : before(logits[a], ids[a], logits[b], ids[b]);
  }

  private static boolean before(float logitA, int idA, float logitB, int idB) {
    return logitA > logitB || (logitA == logitB && idA < idB);
  }

  private void swap(int a, int b) {
    int id = ids[a];
    ids[a] = ids[b];
    ids[b] = id;
    float logit = logits[a];
    logits[a] = logits[b];
    logits[b] = logit;
    if (byDistance) {
      float distance = distances[a];
      distances[a] = distances[b];
      distances[b] = distance;
    }
  }

  /// Moves the best candidates of `[from, to)` before index `end`.
  private void select(int from, int to, int end) {
    if (end - from <= FEW && to - from > 4 * FEW) {
      selectFew(from, to, end - from);
    } else {
      quickselect(from, to, end);
    }
  }

  /// Looks once at each, beside a heap of the best so far with the worst of them on top.
  private void selectFew(int from, int to, int count) {
    int[] heap = scratch(count);
    for (int i = 0; i < count; i++) {
      heap[i] = from + i;
    }
    for (int i = count / 2 - 1; i >= 0; i--) {
      sink(heap, i, count);
    }
    float[] keys = byDistance ? distances : logits;
    float bound = keys[heap[0]];
    for (int i = from + count; i < to; i++) {
      if (byDistance ? keys[i] > bound : keys[i] < bound) {
        continue;
      }
      if (before(i, heap[0])) {
        heap[0] = i;
        sink(heap, 0, count);
        bound = keys[heap[0]];
      }
    }
    Arrays.sort(heap, 0, count);
    for (int i = 0; i < count; i++) {
      swap(from + i, heap[i]);
    }
  }

  private void sink(int[] heap, int start, int count) {
    int root = start;
    while (2 * root + 1 < count) {
      int child = 2 * root + 1;
      if (child + 1 < count && before(heap[child], heap[child + 1])) {
        child++;
      }
      if (!before(heap[root], heap[child])) {
        return;
      }
      int worse = heap[child];
      heap[child] = heap[root];
      heap[root] = worse;
      root = child;
    }
  }

  /// With a bound on how often the pivot may be a bad one (introselect, Musser 1997): a tenant's biases can put bad
  /// ones where they are looked for.
  private void quickselect(int from, int to, int end) {
    int low = from;
    int high = to - 1;
    int passes = MAX_PASSES * (32 - Integer.numberOfLeadingZeros(to - from));
    while (low < high && end > low && end <= high) {
      if (passes-- == 0) {
        heapSort(low, high + 1);
        return;
      }
      int middle = low + high >>> 1;
      float logit = logits[middle];
      int id = ids[middle];
      float distance = byDistance ? distances[middle] : 0;
      int i = low;
      int j = high;
      while (i <= j) {
        while (isBefore(i, distance, logit, id)) {
          i++;
        }
        while (isAfter(j, distance, logit, id)) {
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

  private boolean isBefore(int at, float distance, float logit, int id) {
    return byDistance && distances[at] != distance
        ? distances[at] < distance
        : before(logits[at], ids[at], logit, id);
  }

  private boolean isAfter(int at, float distance, float logit, int id) {
    return byDistance && distances[at] != distance
        ? distances[at] > distance
        : before(logit, id, logits[at], ids[at]);
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
      if (2 * root + 2 < n && before(child, child + 1)) {
        child++;
      }
      int r = from + root;
      if (!before(r, child)) {
        return;
      }
      swap(r, child);
      root = child - from;
    }
  }
}
