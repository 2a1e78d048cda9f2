package ai.realm.compute.cpu;

import ai.realm.compute.AttentionSpec;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Attention of a few rows over one key/value head, keys taken a tile at a time with a running maximum
/// and sum, so that no score matrix exists (Dao et al., "FlashAttention", 2022; Milakov and
/// Gimelshein, "Online normalizer calculation for softmax", 2018). All query heads that share the
/// key/value head are done together: its keys and values are read once.
///
/// ```
/// queries  packed by 8: (groups, keyLength, 8)
/// keys     (keyLength, KEYS)       one tile, transposed: lanes are positions
/// values   (KEYS, width)           one tile; width is valueLength rounded up to whole panels
/// scores   (8, KEYS)  →  weights (KEYS, 8)
/// sums     (queries, width)        Σ e^(score − max) · v, rescaled whenever max grows
/// ```
///
/// Belongs to one worker.
final class AttentionTile implements AutoCloseable {
  /// Positions of a tile.
  static final int KEYS = VectorKernel.PANEL_ROWS;

  private static final int GROUP = Panels.TOKENS;

  private final GrowingMemory memory = new GrowingMemory();
  private final Scratch scratch;
  private float[] packedQueries = new float[0];
  private final float[] weights = new float[KEYS * GROUP];
  private float[] rows = new float[0];
  private float[] max = new float[0];
  private float[] sum = new float[0];
  private long keysAt;
  private long valuesAt;
  private long scoresAt;
  private long sumsAt;
  private long width;
  private int queries;
  private int keyLength;
  private int valueLength;

  AttentionTile(Scratch scratch) {
    this.scratch = scratch;
  }

  /// Makes room for `queries` queries and forgets what was summed.
  void begin(int queries, int keyLength, int valueLength) {
    this.queries = queries;
    this.keyLength = keyLength;
    this.valueLength = valueLength;
    width = Math.ceilDiv(valueLength, KEYS) * (long) KEYS;
    int padded = Math.ceilDiv(queries, GROUP) * GROUP;
    keysAt = 0;
    valuesAt = keysAt + (long) keyLength * KEYS * Float.BYTES;
    scoresAt = valuesAt + KEYS * width * Float.BYTES;
    sumsAt = scoresAt + (long) GROUP * KEYS * Float.BYTES;
    long end = sumsAt + padded * width * Float.BYTES;
    MemorySegment room = memory.reserve(end);
    room.asSlice(sumsAt, end - sumsAt).fill((byte) 0);
    int row = KEYS * Math.max(keyLength, valueLength);
    if (rows.length < row) {
      rows = new float[row];
    }
    if (packedQueries.length < padded * keyLength) {
      packedQueries = new float[padded * keyLength];
    }
    if (max.length < padded) {
      max = new float[padded];
      sum = new float[padded];
    }
    Arrays.fill(max, 0, padded, Float.NEGATIVE_INFINITY);
    Arrays.fill(sum, 0, padded, 0);
  }

  /// Takes query `i` from byte `offset` of `q`, times the factor on scores.
  void query(int i, MemorySegment q, long offset, float scale) {
    int to = i / GROUP * GROUP * keyLength + i % GROUP;
    for (int k = 0; k < keyLength; k++) {
      packedQueries[to + k * GROUP] = scale * q.get(Lanes.FLOAT, offset + (long) k * Float.BYTES);
    }
  }

  /// Loads keys and values of positions `from` to `from + count - 1` of a sequence.
  void load(CpuKvStore kv, int layer, int head, int[] blocks, int from, int count) {
    int blockSize = kv.layout().blockSize();
    MemorySegment m = memory.memory();
    int done = 0;
    while (done < count) {
      int position = from + done;
      int slot = position % blockSize;
      int run = Math.min(count - done, blockSize - slot);
      int block = blocks[position / blockSize];
      loadRows(kv, kv.keyOffset(block, layer, head, slot), run * keyLength);
      transposeKeys(rows, run, keyLength, m, keysAt + (long) done * Float.BYTES);
      loadRows(kv, kv.valueOffset(block, layer, head, slot), run * valueLength);
      for (int t = 0; t < run; t++) {
        MemorySegment.copy(
            rows,
            t * valueLength,
            m,
            Lanes.FLOAT,
            valuesAt + (done + t) * width * Float.BYTES,
            valueLength);
      }
      done += run;
    }
  }

  private void loadRows(CpuKvStore kv, long offset, int count) {
    switch (kv.type()) {
      case F32 -> MemorySegment.copy(kv.segment(), Lanes.FLOAT, offset, rows, 0, count);
      case F16 -> {
        short[] bits = scratch.shorts(count);
        MemorySegment.copy(kv.segment(), Lanes.SHORT, offset, bits, 0, count);
        VectorF16.convert(bits, rows, count);
      }
      case Q8_0 -> VectorQ8_0.load(kv.segment(), offset, rows, count);
    }
  }

  private static void transposeKeys(float[] rows, int count, int length, MemorySegment m, long to) {
    for (int t = 0; t < count; t++) {
      long at = to + (long) t * Float.BYTES;
      for (int k = 0; k < length; k++) {
        m.set(Lanes.FLOAT, at + (long) k * KEYS * Float.BYTES, rows[t * length + k]);
      }
    }
  }

  /// Adds the loaded tile to group `group` of 8 queries. `first[j]` and `end[j]` say which of the
  /// tile's positions query j of the group sees, `slope[j]` and `distance[j]` its ALiBi bias: the
  /// position at the tile's beginning is `distance[j]` before the query's.
  void add(int group, AttentionSpec spec, int[] first, int[] end, float[] slope, int[] distance) {
    MemorySegment m = memory.memory();
    int inGroup = Math.min(GROUP, queries - group * GROUP);
    int count = 0;
    for (int j = 0; j < inGroup; j++) {
      count = Math.max(count, end[j]);
    }
    if (count == 0) {
      return;
    }
    Panels.multiply(
        inGroup,
        m,
        keysAt,
        KEYS * (long) Float.BYTES,
        packedQueries,
        group * GROUP * keyLength,
        keyLength,
        m,
        scoresAt,
        KEYS * (long) Float.BYTES,
        false);
    for (int j = 0; j < inGroup; j++) {
      long scores = scoresAt + (long) j * KEYS * Float.BYTES;
      if (spec.softcap() > 0) {
        softcap(m, scores, spec.softcap(), scratch.tile);
      }
      if (slope[j] != 0) {
        bias(m, scores, slope[j], distance[j], count);
      }
      hide(m, scores, first[j], end[j]);
      shift(m, scores, group * GROUP + j);
    }
    VectorMath.exp(m, scoresAt, inGroup * KEYS);
    for (int j = 0; j < inGroup; j++) {
      long scores = scoresAt + (long) j * KEYS * Float.BYTES;
      sum[group * GROUP + j] += sum(m, scores);
      for (int t = 0; t < count; t++) {
        weights[t * GROUP + j] = m.get(Lanes.FLOAT, scores + (long) t * Float.BYTES);
      }
    }
    for (long column = 0; column < width; column += KEYS) {
      Panels.multiply(
          inGroup,
          m,
          valuesAt + column * Float.BYTES,
          width * Float.BYTES,
          weights,
          0,
          count,
          m,
          sumsAt + (group * GROUP * width + column) * Float.BYTES,
          width * Float.BYTES,
          true);
    }
  }

  private static void softcap(MemorySegment m, long scores, float cap, MemorySegment t) {
    scale(m, scores, KEYS, 1 / cap);
    VectorMath.tanh(m, scores, KEYS, t);
    scale(m, scores, KEYS, cap);
  }

  private static void bias(MemorySegment m, long scores, float slope, int distance, int count) {
    for (int t = 0; t < count; t++) {
      long at = scores + (long) t * Float.BYTES;
      m.set(Lanes.FLOAT, at, m.get(Lanes.FLOAT, at) - slope * Math.abs(distance - t));
    }
  }

  private static void hide(MemorySegment m, long scores, int first, int end) {
    for (int t = 0; t < first; t++) {
      m.set(Lanes.FLOAT, scores + (long) t * Float.BYTES, Float.NEGATIVE_INFINITY);
    }
    for (int t = Math.max(first, end); t < KEYS; t++) {
      m.set(Lanes.FLOAT, scores + (long) t * Float.BYTES, Float.NEGATIVE_INFINITY);
    }
  }

  /// Subtracts the new maximum from a row of scores, and rescales what was summed under the old one.
  private void shift(MemorySegment m, long scores, int query) {
    float old = max[query];
    float top = Math.max(old, greatest(m, scores));
    if (top == Float.NEGATIVE_INFINITY) {
      return; // Sees nothing yet: e^−∞ gives weights of 0.
    }
    subtract(m, scores, top);
    if (top != old) {
      float factor = (float) Math.exp(old - top);
      max[query] = top;
      sum[query] *= factor;
      scale(m, sumsAt + query * width * Float.BYTES, (int) width, factor);
    }
  }

  private static float greatest(MemorySegment m, long scores) {
    FloatVector a = FloatVector.fromMemorySegment(Lanes.FLOATS, m, scores, Lanes.ORDER);
    FloatVector b =
        FloatVector.fromMemorySegment(Lanes.FLOATS, m, scores + Lanes.BYTES, Lanes.ORDER);
    return a.max(b).reduceLanes(VectorOperators.MAX);
  }

  /// In one order: that of `reduceLanes` is the JVM's choice, and changes when it compiles the method.
  private static float sum(MemorySegment m, long scores) {
    float a = 0;
    float b = 0;
    float c = 0;
    float d = 0;
    for (long at = scores; at < scores + KEYS * (long) Float.BYTES; at += 4L * Float.BYTES) {
      a += m.get(Lanes.FLOAT, at);
      b += m.get(Lanes.FLOAT, at + Float.BYTES);
      c += m.get(Lanes.FLOAT, at + 2L * Float.BYTES);
      d += m.get(Lanes.FLOAT, at + 3L * Float.BYTES);
    }
    return a + b + (c + d);
  }

  private static void subtract(MemorySegment m, long scores, float top) {
    for (int i = 0; i < KEYS; i += Lanes.COUNT) {
      long at = scores + (long) i * Float.BYTES;
      FloatVector.fromMemorySegment(Lanes.FLOATS, m, at, Lanes.ORDER)
          .sub(top)
          .intoMemorySegment(m, at, Lanes.ORDER);
    }
  }

  private static void scale(MemorySegment m, long row, int length, float factor) {
    for (int i = 0; i < length; i += Lanes.COUNT) {
      long at = row + (long) i * Float.BYTES;
      FloatVector.fromMemorySegment(Lanes.FLOATS, m, at, Lanes.ORDER)
          .mul(factor)
          .intoMemorySegment(m, at, Lanes.ORDER);
    }
  }

  /// The running maximum of a query.
  float max(int query) {
    return max[query];
  }

  /// The running sum of a query's weights.
  float sum(int query) {
    return sum[query];
  }

  /// Lets a sink's logit take part in the sum.
  void sink(int query, float logit) {
    float old = max[query];
    float top = Math.max(old, logit);
    float factor = (float) Math.exp(old - top);
    max[query] = top;
    sum[query] = sum[query] * factor + (float) Math.exp(logit - top);
    scale(memory.memory(), sumsAt + query * width * Float.BYTES, (int) width, factor);
  }

  /// Writes a query's weighted sum of values times `factor` to byte `offset` of `out`.
  void write(int query, float factor, MemorySegment out, long offset) {
    MemorySegment m = memory.memory();
    long row = sumsAt + query * width * Float.BYTES;
    for (int i = 0; i < valueLength; i++) {
      out.set(
          Lanes.FLOAT,
          offset + (long) i * Float.BYTES,
          factor * m.get(Lanes.FLOAT, row + (long) i * Float.BYTES));
    }
  }

  @Override
  public void close() {
    memory.close();
  }
}
