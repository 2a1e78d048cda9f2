package ai.realm.compute.cpu;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Batch;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Shares attention out over the worker pool. An item is a run of rows of one sequence and one
/// key/value head; where there are fewer items than threads and the context is long, an item's keys are
/// split too, and the parts are joined by their maxima and sums.
///
/// Used by one thread at a time.
final class VectorAttention implements AutoCloseable {
  /// Query rows times query heads of one item, about: enough to pay for loading a tile of keys.
  private static final int ITEM_QUERIES = 64;

  /// Positions of a part of split keys, at least.
  private static final int SPLIT_POSITIONS = 256;

  private static final int GROUP = Panels.TOKENS;

  private final WorkerPool pool;
  private final boolean plainWhenSmall;
  private final boolean splitsKeys;
  private final SmallAttention small;
  private final AttentionTile[] tiles;
  private final Visible[] visible;
  private final WorkerPool.Task task = this::chunk;
  private final GrowingMemory partial = new GrowingMemory();
  private float[] partialMax = new float[0];
  private float[] partialSum = new float[0];
  private float[] slopes = new float[0];
  private int[] firstItem = new int[0];

  // The attention under way.
  private MemorySegment out = MemorySegment.NULL;
  private MemorySegment q = MemorySegment.NULL;
  private @Nullable CpuKvStore kv;
  private @Nullable Batch batch;
  private @Nullable AttentionSpec spec;
  private @Nullable MemorySegment sinks;
  private int layer;
  private int headsPerKvHead;
  private int itemRows;
  private int splits;

  /// @param splitsKeys whether keys may be split over threads, which sums them in another order
  VectorAttention(WorkerPool pool, Scratch[] scratch, boolean plainWhenSmall, boolean splitsKeys) {
    this.splitsKeys = splitsKeys;
    this.plainWhenSmall = plainWhenSmall;
    this.pool = pool;
    small = new SmallAttention(pool);
    tiles = new AttentionTile[scratch.length];
    visible = new Visible[scratch.length];
    for (int i = 0; i < scratch.length; i++) {
      tiles[i] = new AttentionTile(scratch[i]);
      visible[i] = new Visible();
    }
  }

  /// Which positions of a tile the queries of one group see, and their ALiBi bias.
  private static final class Visible {
    final int[] first = new int[GROUP];
    final int[] end = new int[GROUP];
    final float[] slope = new float[GROUP];
    final int[] distance = new int[GROUP];
  }

  /// Attention of each row of the batch. Shapes as in [ai.realm.compute.Backend#attention].
  void run(
      MemorySegment out,
      MemorySegment q,
      CpuKvStore kv,
      int layer,
      Batch batch,
      AttentionSpec spec,
      @Nullable MemorySegment sinks) {
    if (plainWhenSmall && SmallAttention.isSmall(spec, batch)) {
      small.run(out, q, kv, layer, batch, spec, sinks);
      return;
    }
    this.out = out;
    this.q = q;
    this.kv = kv;
    this.layer = layer;
    this.batch = batch;
    this.spec = spec;
    this.sinks = sinks;
    headsPerKvHead = spec.heads() / spec.kvHeads();
    itemRows = Math.max(1, ITEM_QUERIES / headsPerKvHead);
    slopes(spec);
    int items = plan(batch, spec);
    pool.run(task, items * splits);
    if (splits > 1) {
      for (int item = 0; item < items; item++) {
        join(item, batch, spec);
      }
    }
    this.out = MemorySegment.NULL;
    this.q = MemorySegment.NULL;
    this.kv = null;
    this.batch = null;
    this.spec = null;
    this.sinks = null;
  }

  private void slopes(AttentionSpec spec) {
    if (slopes.length < spec.heads()) {
      slopes = new float[spec.heads()];
    }
    for (int h = 0; h < spec.heads(); h++) {
      slopes[h] = spec.alibiSlope(h);
    }
  }

  /// Numbers the items, decides on splits, and returns the number of items before splitting.
  private int plan(Batch batch, AttentionSpec spec) {
    if (firstItem.length < batch.sequences()) {
      firstItem = new int[batch.sequences()];
    }
    int items = 0;
    int longest = 0;
    for (int s = 0; s < batch.sequences(); s++) {
      firstItem[s] = items;
      items += Math.ceilDiv(batch.rows(s), itemRows) * spec.kvHeads();
      longest = Math.max(longest, batch.firstPosition(s) + batch.rows(s));
    }
    if (spec.window() > 0) {
      longest = Math.min(longest, spec.window() + itemRows);
    }
    int wanted = items >= 2 * pool.threads() ? 1 : Math.ceilDiv(2 * pool.threads(), items);
    splits =
        pool.threads() == 1 || !splitsKeys ? 1 : Math.clamp(longest / SPLIT_POSITIONS, 1, wanted);
    if (splits > 1) {
      int queries = items * splits * itemRows * headsPerKvHead;
      partial.reserve((long) queries * spec.valueLength() * Float.BYTES);
      if (partialMax.length < queries) {
        partialMax = new float[queries];
        partialSum = new float[queries];
      }
    }
    return items;
  }

  private int sequenceOf(int item, Batch batch) {
    int s = batch.sequences() - 1;
    while (firstItem[s] > item) {
      s--;
    }
    return s;
  }

  private void chunk(int chunk, int worker) {
    CpuKvStore store = kv;
    Batch rows = batch;
    AttentionSpec how = spec;
    if (store == null || rows == null || how == null) {
      throw new IllegalStateException("chunk of attention without one under way");
    }
    int item = chunk / splits;
    int split = chunk % splits;
    int s = sequenceOf(item, rows);
    int head = (item - firstItem[s]) % how.kvHeads();
    int firstRow = (item - firstItem[s]) / how.kvHeads() * itemRows;
    int count = Math.min(itemRows, rows.rows(s) - firstRow);
    int position = rows.firstPosition(s) + firstRow;
    // Tiles begin at the same positions whichever rows are computed together.
    int from =
        how.window() > 0
            ? Math.max(0, position - how.window() + 1) / AttentionTile.KEYS * AttentionTile.KEYS
            : 0;
    int to = how.causal() ? position + count : rows.firstPosition(s) + rows.rows(s);
    int part = Math.ceilDiv(Math.ceilDiv(to - from, AttentionTile.KEYS), splits);
    int partFrom = Math.min(to, from + split * part * AttentionTile.KEYS);
    int partTo = Math.min(to, partFrom + part * AttentionTile.KEYS);

    AttentionTile tile = tiles[worker];
    tile.begin(count * headsPerKvHead, how.keyLength(), how.valueLength());
    int row = rows.firstRow(s) + firstRow;
    for (int i = 0; i < count * headsPerKvHead; i++) {
      long query = queryIndex(row, head, i, how);
      tile.query(i, q, query * how.keyLength() * Float.BYTES, how.scale());
    }
    for (int t = partFrom; t < partTo; t += AttentionTile.KEYS) {
      int keys = Math.min(AttentionTile.KEYS, partTo - t);
      tile.load(store, layer, head, rows.blockTable(s), t, keys);
      for (int group = 0; group * GROUP < count * headsPerKvHead; group++) {
        Visible seen = visible[worker];
        see(seen, group, count, head, position, t, keys, how);
        tile.add(group, how, seen.first, seen.end, seen.slope, seen.distance);
      }
    }
    if (splits == 1) {
      finish(tile, row, head, count, how);
    } else {
      keep(tile, chunk, count, how);
    }
  }

  /// Query `i` of an item, counted over all rows and heads of the batch.
  private long queryIndex(int row, int head, int i, AttentionSpec spec) {
    return (row + (long) i / headsPerKvHead) * spec.heads()
        + (long) head * headsPerKvHead
        + i % headsPerKvHead;
  }

  private void see(
      Visible seen,
      int group,
      int count,
      int head,
      int position,
      int t,
      int keys,
      AttentionSpec spec) {
    for (int j = 0; j < GROUP; j++) {
      int i = group * GROUP + j;
      if (i >= count * headsPerKvHead) {
        seen.first[j] = 0;
        seen.end[j] = 0;
        continue;
      }
      int p = position + i / headsPerKvHead;
      seen.first[j] = spec.window() > 0 ? Math.clamp(p - spec.window() + 1 - t, 0, keys) : 0;
      seen.end[j] = spec.causal() ? Math.clamp(p + 1 - t, 0, keys) : keys;
      seen.slope[j] = slopes[head * headsPerKvHead + i % headsPerKvHead];
      seen.distance[j] = p - t;
    }
  }

  private void finish(AttentionTile tile, int row, int head, int count, AttentionSpec spec) {
    for (int i = 0; i < count * headsPerKvHead; i++) {
      if (sinks != null) {
        int h = head * headsPerKvHead + i % headsPerKvHead;
        tile.sink(i, sinks.get(Lanes.FLOAT, (long) h * Float.BYTES));
      }
      long query = queryIndex(row, head, i, spec);
      tile.write(i, 1 / tile.sum(i), out, query * spec.valueLength() * Float.BYTES);
    }
  }

  private int partialIndex(int chunk, int query) {
    return chunk * itemRows * headsPerKvHead + query;
  }

  private void keep(AttentionTile tile, int chunk, int count, AttentionSpec spec) {
    for (int i = 0; i < count * headsPerKvHead; i++) {
      int index = partialIndex(chunk, i);
      partialMax[index] = tile.max(i);
      partialSum[index] = tile.sum(i);
      tile.write(i, 1, partial.memory(), (long) index * spec.valueLength() * Float.BYTES);
    }
  }

  /// Joins the parts of an item: each weighs by its own maximum against the greatest.
  private void join(int item, Batch batch, AttentionSpec spec) {
    int s = sequenceOf(item, batch);
    int head = (item - firstItem[s]) % spec.kvHeads();
    int firstRow = (item - firstItem[s]) / spec.kvHeads() * itemRows;
    int count = Math.min(itemRows, batch.rows(s) - firstRow);
    for (int i = 0; i < count * headsPerKvHead; i++) {
      float sink = Float.NEGATIVE_INFINITY;
      if (sinks != null) {
        int h = head * headsPerKvHead + i % headsPerKvHead;
        sink = sinks.get(Lanes.FLOAT, (long) h * Float.BYTES);
      }
      float top = sink;
      for (int split = 0; split < splits; split++) {
        top = Math.max(top, partialMax[partialIndex(item * splits + split, i)]);
      }
      float sum = (float) Math.exp(sink - top);
      for (int split = 0; split < splits; split++) {
        int index = partialIndex(item * splits + split, i);
        sum += partialSum[index] * (float) Math.exp(partialMax[index] - top);
      }
      long to =
          queryIndex(batch.firstRow(s) + firstRow, head, i, spec)
              * spec.valueLength()
              * Float.BYTES;
      for (int split = 0; split < splits; split++) {
        int index = partialIndex(item * splits + split, i);
        float factor = (float) Math.exp(partialMax[index] - top) / sum;
        accumulate(index, factor, spec.valueLength(), to, split > 0);
      }
    }
  }

  private void accumulate(int index, float factor, int length, long to, boolean add) {
    long from = (long) index * length * Float.BYTES;
    MemorySegment parts = partial.memory();
    for (int k = 0; k < length; k++) {
      long at = to + (long) k * Float.BYTES;
      float value = factor * parts.get(Lanes.FLOAT, from + (long) k * Float.BYTES);
      out.set(Lanes.FLOAT, at, add ? value + out.get(Lanes.FLOAT, at) : value);
    }
  }

  @Override
  public void close() {
    partial.close();
    for (AttentionTile tile : tiles) {
      tile.close();
    }
  }
}
