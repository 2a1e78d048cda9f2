package ai.realm.compute;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The rows of one forward step: tokens of one or more sequences, each sequence a run of consecutive
/// rows at consecutive positions. Reused from step to step by the thread that owns the engine, so that
/// the token loop allocates nothing.
///
/// ```
/// row        0   1   2 | 3 | 4   5        rows of three sequences
/// token     17   4  99 | 8 | 31  2
/// position   0   1   2 | 57| 12  13       keys and values are written at these positions
/// output                 ×         ×      rows whose logits are wanted
/// ```
public final class Batch {
  private final int[] tokens;
  private final int[] positions;
  private final int[] outputRows;
  private final int[] firstRow;
  private final int[] firstPosition;
  private final int[][] blockTable;
  private final @Nullable Adapter[] adapters;
  private boolean adapted;
  private int rows;
  private int outputs;
  private int sequences;

  /// @param maxRows the most rows of a step
  /// @param maxSequences the most sequences of a step
  public Batch(int maxRows, int maxSequences) {
    if (maxRows < 1 || maxSequences < 1) {
      throw new IllegalArgumentException(
          "expected positive rows and sequences, found " + maxRows + ", " + maxSequences);
    }
    tokens = new int[maxRows];
    positions = new int[maxRows];
    outputRows = new int[maxRows];
    firstRow = new int[maxSequences + 1];
    firstPosition = new int[maxSequences];
    blockTable = new int[maxSequences][];
    adapters = new @Nullable Adapter[maxSequences];
  }

  /// Empties the batch.
  public void clear() {
    Arrays.fill(blockTable, 0, sequences, null);
    Arrays.fill(adapters, 0, sequences, null);
    adapted = false;
    rows = 0;
    outputs = 0;
    sequences = 0;
  }

  /// Adds a run of tokens of one sequence and returns its index in this batch.
  ///
  /// @param ids holds the tokens
  /// @param from index of the first token in `ids`
  /// @param count how many, at least 1
  /// @param position position of the first token in its sequence
  /// @param blocks the sequence's blocks, `blocks[p / blockSize]` for position p; covers all positions
  ///     up to `position + count - 1`; not copied, must not change during the step
  /// @param lastOutputs how many of the run's last rows want logits, 0 to `count`
  public int add(int[] ids, int from, int count, int position, int[] blocks, int lastOutputs) {
    if (count < 1 || rows + count > tokens.length || sequences == firstPosition.length) {
      throw new IllegalArgumentException(
          "batch of %d rows and %d sequences has no room for %d more rows"
              .formatted(rows, sequences, count));
    }
    if (lastOutputs < 0 || lastOutputs > count || position < 0) {
      throw new IllegalArgumentException(
          "expected 0 to %d outputs at a position ≥ 0, found %d at %d"
              .formatted(count, lastOutputs, position));
    }
    System.arraycopy(ids, from, tokens, rows, count);
    for (int i = 0; i < count; i++) {
      positions[rows + i] = position + i;
    }
    for (int i = count - lastOutputs; i < count; i++) {
      outputRows[outputs++] = rows + i;
    }
    firstRow[sequences] = rows;
    firstPosition[sequences] = position;
    blockTable[sequences] = blocks;
    rows += count;
    firstRow[sequences + 1] = rows;
    return sequences++;
  }

  /// Lets sequence `s` of this batch be computed with an adapter, or with none.
  public void adapt(int s, @Nullable Adapter adapter) {
    adapters[Objects.checkIndex(s, sequences)] = adapter;
    adapted |= adapter != null;
  }

  /// Whether any sequence has an adapter.
  public boolean adapted() {
    return adapted;
  }

  /// The adapter of sequence `s`, or null.
  public @Nullable Adapter adapter(int s) {
    return adapters[s];
  }

  /// The most rows it can hold.
  public int maxRows() {
    return tokens.length;
  }

  /// Number of rows.
  public int rows() {
    return rows;
  }

  /// Token of each row; the first [#rows] elements count.
  public int[] tokens() {
    return tokens;
  }

  /// Position of each row in its sequence; the first [#rows] elements count.
  public int[] positions() {
    return positions;
  }

  /// Number of rows whose logits are wanted.
  public int outputs() {
    return outputs;
  }

  /// Rows whose logits are wanted, ascending; the first [#outputs] elements count.
  public int[] outputRows() {
    return outputRows;
  }

  /// Number of sequences.
  public int sequences() {
    return sequences;
  }

  /// First row of sequence `s`.
  public int firstRow(int s) {
    return firstRow[s];
  }

  /// Number of rows of sequence `s`.
  public int rows(int s) {
    return firstRow[s + 1] - firstRow[s];
  }

  /// Position of the first row of sequence `s`: the number of positions already in its KV cache.
  public int firstPosition(int s) {
    return firstPosition[s];
  }

  /// Blocks of sequence `s`: position p lies in block `blockTable(s)[p / blockSize]`.
  public int[] blockTable(int s) {
    return blockTable[s];
  }
}
