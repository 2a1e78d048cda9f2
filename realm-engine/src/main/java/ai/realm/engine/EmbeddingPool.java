package ai.realm.engine;

import ai.realm.model.Pooling;

/// Makes one row of the final hidden states of a prompt's rows as they come, step by step, and gives it
/// length 1. Of the engine's thread until the request is done.
final class EmbeddingPool {
  private final Pooling pooling;
  private double[] sums = new double[0];
  private int count;

  /// The position that comes next; what is computed again after a preemption is not counted twice.
  private int next;

  /// @throws IllegalArgumentException for a pooling that gives no embedding
  EmbeddingPool(Pooling pooling) {
    if (pooling == Pooling.RANK) {
      throw new IllegalArgumentException(
          "embedding: expected the pooling mean, cls or last, found rank (a reranker's)");
    }
    this.pooling = pooling;
  }

  /// Begins a prompt of `length` tokens at position `start`.
  void begin(int start) {
    next = start;
    count = 0;
    sums = new double[0];
  }

  /// The first position whose hidden state is wanted of those from `start` to `end - 1`.
  int firstWanted(int start, int end) {
    return switch (pooling) {
      case MEAN, CLS -> start;
      case LAST, NONE, RANK -> end - 1;
    };
  }

  /// Whether the hidden state at `position` is wanted.
  boolean wants(int position, int start, int end) {
    return switch (pooling) {
      case MEAN -> position >= next;
      case CLS -> position == start && position >= next;
      case LAST, NONE, RANK -> position == end - 1;
    };
  }

  /// Takes the hidden state at `position`.
  void add(int position, float[] row, int width) {
    if (count == 0) {
      sums = new double[width];
    }
    for (int i = 0; i < width; i++) {
      sums[i] += row[i];
    }
    count++;
    next = position + 1;
  }

  /// The embedding: the sum of what was added, of length 1 (of length 0 where all is 0).
  float[] embedding() {
    double square = 0;
    for (double sum : sums) {
      square += sum * sum;
    }
    double factor = square > 0 ? 1 / Math.sqrt(square) : 0;
    float[] row = new float[sums.length];
    for (int i = 0; i < row.length; i++) {
      row[i] = (float) (factor * sums[i]);
    }
    return row;
  }
}
