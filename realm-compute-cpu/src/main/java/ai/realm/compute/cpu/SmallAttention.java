package ai.realm.compute.cpu;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Batch;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Attention of small models in plain loops: see [SmallProducts] for why. One chunk is one sequence and
/// one key/value head. Used by one thread at a time.
final class SmallAttention {
  /// Elements of keys and values of all query heads below which plain loops are taken: the width of a
  /// model, not the length of its context, so that a sequence does not change its way as it grows.
  private static final int MAX_WIDTH = 1024;

  /// Multiply-adds of one call below which plain loops are taken.
  private static final long MAX_WORK = 1 << 22;

  private final WorkerPool pool;
  private final Memory[] memories;
  private final WorkerPool.Task task = this::chunk;

  // The attention under way.
  private MemorySegment out = MemorySegment.NULL;
  private MemorySegment q = MemorySegment.NULL;
  private @Nullable CpuKvStore kv;
  private @Nullable Batch batch;
  private @Nullable AttentionSpec spec;
  private @Nullable MemorySegment sinks;
  private int layer;

  SmallAttention(WorkerPool pool) {
    this.pool = pool;
    memories = new Memory[pool.threads()];
    for (int i = 0; i < memories.length; i++) {
      memories[i] = new Memory();
    }
  }

  /// Keys, values and scores of one worker.
  private static final class Memory {
    float[] keys = new float[0];
    float[] values = new float[0];
    float[] scores = new float[0];
    float[] query = new float[0];
    float[] sum = new float[0];

    void reserve(int positions, int keyLength, int valueLength) {
      if (keys.length < positions * keyLength) {
        keys = new float[2 * positions * keyLength];
      }
      if (values.length < positions * valueLength) {
        values = new float[2 * positions * valueLength];
      }
      if (scores.length < positions) {
        scores = new float[2 * positions];
      }
      if (query.length < keyLength || sum.length < valueLength) {
        query = new float[keyLength];
        sum = new float[valueLength];
      }
    }
  }

  /// Whether attention of this model over this batch is small.
  static boolean isSmall(AttentionSpec spec, Batch batch) {
    int width = spec.heads() * (spec.keyLength() + spec.valueLength());
    if (width > MAX_WIDTH) {
      return false;
    }
    long scores = 0;
    for (int s = 0; s < batch.sequences(); s++) {
      scores += (long) batch.rows(s) * (batch.firstPosition(s) + batch.rows(s));
    }
    return scores * width < MAX_WORK;
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
    this.out = out;
    this.q = q;
    this.kv = kv;
    this.layer = layer;
    this.batch = batch;
    this.spec = spec;
    this.sinks = sinks;
    pool.run(task, batch.sequences() * spec.kvHeads());
    this.kv = null;
    this.batch = null;
    this.spec = null;
    this.sinks = null;
  }

  private void chunk(int chunk, int worker) {
    CpuKvStore store = kv;
    Batch rows = batch;
    AttentionSpec how = spec;
    if (store == null || rows == null || how == null) {
      throw new IllegalStateException("chunk of attention without one under way");
    }
    int s = chunk / how.kvHeads();
    int kvHead = chunk % how.kvHeads();
    int positions = rows.firstPosition(s) + rows.rows(s);
    Memory memory = memories[worker];
    memory.reserve(positions, how.keyLength(), how.valueLength());
    load(memory, store, rows.blockTable(s), kvHead, positions, how);
    int headsPerKvHead = how.heads() / how.kvHeads();
    for (int i = 0; i < rows.rows(s); i++) {
      for (int h = kvHead * headsPerKvHead; h < (kvHead + 1) * headsPerKvHead; h++) {
        long row = ((long) rows.firstRow(s) + i) * how.heads() + h;
        attend(memory, row, h, rows.firstPosition(s) + i, positions, how);
      }
    }
  }

  private void load(
      Memory memory, CpuKvStore store, int[] blocks, int head, int positions, AttentionSpec how) {
    int blockSize = store.layout().blockSize();
    int keyLength = how.keyLength();
    int valueLength = how.valueLength();
    for (int t = 0; t < positions; t++) {
      int block = blocks[t / blockSize];
      int slot = t % blockSize;
      store.loadRow(
          store.keyOffset(block, layer, head, slot), memory.keys, t * keyLength, keyLength);
      store.loadRow(
          store.valueOffset(block, layer, head, slot), memory.values, t * valueLength, valueLength);
    }
  }

  private void attend(
      Memory memory, long row, int head, int position, int positions, AttentionSpec how) {
    int keyLength = how.keyLength();
    int from = how.window() > 0 ? Math.max(0, position - how.window() + 1) : 0;
    int to = how.causal() ? position + 1 : positions;
    float slope = how.alibiSlope(head);
    float sink =
        sinks == null ? Float.NEGATIVE_INFINITY : sinks.get(Lanes.FLOAT, (long) head * Float.BYTES);
    MemorySegment.copy(q, Lanes.FLOAT, row * keyLength * Float.BYTES, memory.query, 0, keyLength);
    float[] scores = memory.scores;
    float top = sink;
    for (int t = from; t < to; t++) {
      float score = how.scale() * dot(memory.query, memory.keys, t * keyLength, keyLength);
      if (how.softcap() > 0) {
        score = (float) (how.softcap() * Math.tanh(score / how.softcap()));
      }
      scores[t] = score - slope * Math.abs(position - t);
      top = Math.max(top, scores[t]);
    }
    float total = SmallFunctions.exp(sink - top);
    for (int t = from; t < to; t++) {
      scores[t] = SmallFunctions.exp(scores[t] - top);
      total += scores[t];
    }
    weigh(memory, from, to, how.valueLength());
    long at = row * how.valueLength() * Float.BYTES;
    for (int k = 0; k < how.valueLength(); k++) {
      out.set(Lanes.FLOAT, at + (long) k * Float.BYTES, memory.sum[k] / total);
    }
  }

  private static float dot(float[] x, float[] keys, int at, int count) {
    float a = 0;
    float b = 0;
    float c = 0;
    float d = 0;
    int k = 0;
    for (; k + 4 <= count; k += 4) {
      a += x[k] * keys[at + k];
      b += x[k + 1] * keys[at + k + 1];
      c += x[k + 2] * keys[at + k + 2];
      d += x[k + 3] * keys[at + k + 3];
    }
    for (; k < count; k++) {
      a += x[k] * keys[at + k];
    }
    return a + c + (b + d);
  }

  private static void weigh(Memory memory, int from, int to, int length) {
    float[] sum = memory.sum;
    for (int k = 0; k < length; k++) {
      sum[k] = 0;
    }
    for (int t = from; t < to; t++) {
      float weight = memory.scores[t];
      int at = t * length;
      for (int k = 0; k < length; k++) {
        sum[k] += weight * memory.values[at + k];
      }
    }
  }
}
