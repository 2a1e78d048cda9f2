package ai.realm.compute.cpu;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Batch;
import ai.realm.compute.KvLayout;
import org.jspecify.annotations.Nullable;

/// Attention of one sequence's rows over one key/value head, written out:
///
/// ```
/// score[t] = scale · q · k[t]                 → softcap → − ALiBi slope · |p − t|
/// visible  = t ≤ p (causal) and t > p − window
/// out      = Σ exp(score[t] − max) · v[t] / (Σ exp(score[t] − max) + exp(sink − max))
/// ```
final class NaiveAttention {
  private final Batch batch;
  private final AttentionSpec spec;
  private final int sequence;
  private final int kvHead;
  private final int positions;
  private final float[] keys;
  private final float[] values;
  private final double[] scores;

  /// Loads the keys and values of head `kvHead` of sequence `sequence`.
  NaiveAttention(
      CpuKvStore kv, int layer, Batch batch, int sequence, int kvHead, AttentionSpec spec) {
    this.batch = batch;
    this.spec = spec;
    this.sequence = sequence;
    this.kvHead = kvHead;
    positions = batch.firstPosition(sequence) + batch.rows(sequence);
    keys = new float[positions * spec.keyLength()];
    values = new float[positions * spec.valueLength()];
    scores = new double[positions];
    int[] blocks = batch.blockTable(sequence);
    int blockSize = kv.layout().blockSize();
    for (int t = 0; t < positions; t++) {
      int block = blocks[t / blockSize];
      int slot = t % blockSize;
      kv.loadRow(
          kv.keyOffset(block, layer, kvHead, slot), keys, t * spec.keyLength(), spec.keyLength());
      kv.loadRow(
          kv.valueOffset(block, layer, kvHead, slot),
          values,
          t * spec.valueLength(),
          spec.valueLength());
    }
  }

  /// Checks that a store holds heads as `spec` has them.
  static void checkLayout(KvLayout layout, AttentionSpec spec) {
    if (layout.kvHeads() != spec.kvHeads()
        || layout.keyLength() != spec.keyLength()
        || layout.valueLength() != spec.valueLength()) {
      throw new IllegalArgumentException(
          "expected a KV store of %d heads of %d and %d elements, found %s"
              .formatted(spec.kvHeads(), spec.keyLength(), spec.valueLength(), layout));
    }
  }

  /// Writes the rows of all query heads that share this key/value head.
  void compute(CpuBuffer out, CpuBuffer q, @Nullable CpuBuffer sinks) {
    int headsPerKvHead = spec.heads() / spec.kvHeads();
    for (int i = 0; i < batch.rows(sequence); i++) {
      for (int h = kvHead * headsPerKvHead; h < (kvHead + 1) * headsPerKvHead; h++) {
        row(out, q, sinks, i, h);
      }
    }
  }

  private void row(CpuBuffer out, CpuBuffer q, @Nullable CpuBuffer sinks, int i, int head) {
    int position = batch.firstPosition(sequence) + i;
    long row = batch.firstRow(sequence) + (long) i;
    int from = spec.window() > 0 ? Math.max(0, position - spec.window() + 1) : 0;
    int to = spec.causal() ? position + 1 : positions;
    long query = (row * spec.heads() + head) * spec.keyLength();
    double max = sinks == null ? Double.NEGATIVE_INFINITY : sinks.get(head);
    for (int t = from; t < to; t++) {
      scores[t] = score(q, query, t) - spec.alibiSlope(head) * Math.abs(position - t);
      max = Math.max(max, scores[t]);
    }
    double sum = sinks == null ? 0 : Math.exp(sinks.get(head) - max);
    for (int t = from; t < to; t++) {
      scores[t] = Math.exp(scores[t] - max);
      sum += scores[t];
    }
    for (int j = 0; j < spec.valueLength(); j++) {
      double value = 0;
      for (int t = from; t < to; t++) {
        value += scores[t] * values[t * spec.valueLength() + j];
      }
      out.set((row * spec.heads() + head) * spec.valueLength() + j, (float) (value / sum));
    }
  }

  private double score(CpuBuffer q, long query, int t) {
    double dot = 0;
    for (int j = 0; j < spec.keyLength(); j++) {
      dot += (double) q.get(query + j) * keys[t * spec.keyLength() + j];
    }
    double score = dot * spec.scale();
    return spec.softcap() > 0 ? spec.softcap() * Math.tanh(score / spec.softcap()) : score;
  }
}
