package ai.realm.testing.compute;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import java.util.Arrays;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// Several sequences over scattered KV blocks: the prompts in a first step, some more rows in a second
/// one, whose attention is compared with the twin.
///
/// @param heads shape and kind of the heads; `withSinks` adds sinks to it
/// @param blockSize positions per block
/// @param past positions of each sequence before the step
/// @param rows rows of each sequence in the step
record KvScenario(
    AttentionSpec heads, boolean withSinks, KvType type, int blockSize, int[] past, int[] rows) {
  private static final int LAYERS = 2;
  private static final int LAYER = 1;

  /// What the backend computed and what the twin did, over all rows of the second step.
  record Outcome(float[] actual, double[] expected) {}

  Outcome run(Backend backend, long seed) {
    Random random = new Random(seed);
    int sequences = past.length;
    int keyWidth = heads.kvHeads() * heads.keyLength();
    int valueWidth = heads.kvHeads() * heads.valueLength();
    int queryWidth = heads.heads() * heads.keyLength();
    int outWidth = heads.heads() * heads.valueLength();
    int[][] blocks = shuffledBlocks(random);
    int blockCount = Arrays.stream(blocks).mapToInt(b -> b.length).sum();
    float[][] keys = new float[sequences][];
    float[][] values = new float[sequences][];
    for (int s = 0; s < sequences; s++) {
      keys[s] = RandomTensors.floats((past[s] + rows[s]) * keyWidth, random);
      values[s] = RandomTensors.floats((past[s] + rows[s]) * valueWidth, random);
    }
    int stepRows = Arrays.stream(rows).sum();
    float[] q = RandomTensors.floats(stepRows * queryWidth, random);
    float @Nullable [] sinks = withSinks ? RandomTensors.floats(heads.heads(), random) : null;
    KvLayout layout =
        new KvLayout(
            LAYERS, heads.kvHeads(), heads.keyLength(), heads.valueLength(), blockSize, type);
    float[] actual = new float[stepRows * outWidth];
    try (KvStore kv = backend.kvStore(layout, blockCount);
        Buffer queries = backend.allocate(q.length);
        Buffer out = backend.allocate(actual.length);
        Buffer sinkBuffer = backend.allocate(heads.heads())) {
      storeAll(backend, kv, blocks, keys, values, random);
      backend.write(queries, 0, q, 0, q.length);
      if (sinks != null) {
        backend.write(sinkBuffer, 0, sinks, 0, sinks.length);
      }
      backend.attention(
          out,
          queries,
          kv,
          LAYER,
          batch(blocks, past, rows),
          spec(sinks == null ? null : sinkBuffer));
      backend.read(out, 0, actual, 0, actual.length);
    }
    double[] expected = new double[actual.length];
    int row = 0;
    for (int s = 0; s < sequences; s++) {
      float[] own = Arrays.copyOfRange(q, row * queryWidth, (row + rows[s]) * queryWidth);
      double[] result = Float64Twin.attention(own, past[s], keys[s], values[s], heads, sinks);
      System.arraycopy(result, 0, expected, row * outWidth, result.length);
      row += rows[s];
    }
    return new Outcome(actual, expected);
  }

  private AttentionSpec spec(@Nullable Buffer sinks) {
    return new AttentionSpec(
        heads.heads(),
        heads.kvHeads(),
        heads.keyLength(),
        heads.valueLength(),
        heads.scale(),
        heads.softcap(),
        heads.window(),
        heads.causal(),
        heads.maxAlibiBias(),
        sinks);
  }

  /// Stores the past in one step and the new rows in another, with other numbers in the other layer.
  private void storeAll(
      Backend backend,
      KvStore kv,
      int[][] blocks,
      float[][] keys,
      float[][] values,
      Random random) {
    int[] none = new int[past.length];
    for (int[][] fromAndCount : new int[][][] {{none, past}, {past, rows}}) {
      int[] from = fromAndCount[0];
      int[] count = fromAndCount[1];
      Batch batch = batch(blocks, from, count);
      if (batch.rows() > 0) {
        int keyWidth = heads.kvHeads() * heads.keyLength();
        int valueWidth = heads.kvHeads() * heads.valueLength();
        try (Buffer k = backend.allocate((long) batch.rows() * keyWidth);
            Buffer v = backend.allocate((long) batch.rows() * valueWidth)) {
          float[] noise = RandomTensors.floats(batch.rows() * keyWidth, random);
          backend.write(k, 0, noise, 0, noise.length);
          backend.storeKv(kv, LAYER - 1, batch, k, v);
          long row = 0;
          for (int s = 0; s < keys.length; s++) {
            backend.write(k, row * keyWidth, keys[s], from[s] * keyWidth, count[s] * keyWidth);
            backend.write(
                v, row * valueWidth, values[s], from[s] * valueWidth, count[s] * valueWidth);
            row += count[s];
          }
          backend.storeKv(kv, LAYER, batch, k, v);
        }
      }
    }
  }

  /// A batch of `count[s]` rows of each sequence from position `from[s]`; none where the count is 0.
  private static Batch batch(int[][] blocks, int[] from, int[] count) {
    Batch batch = new Batch(Math.max(1, Arrays.stream(count).sum()), blocks.length);
    for (int s = 0; s < blocks.length; s++) {
      if (count[s] > 0) {
        batch.add(new int[count[s]], 0, count[s], from[s], blocks[s], 0);
      }
    }
    return batch;
  }

  private int[][] shuffledBlocks(Random random) {
    int[][] blocks = new int[past.length][];
    int count = 0;
    for (int s = 0; s < past.length; s++) {
      blocks[s] = new int[Math.ceilDiv(past[s] + rows[s], blockSize)];
      count += blocks[s].length;
    }
    int[] order = new int[count];
    for (int i = 0; i < count; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    int next = 0;
    for (int[] own : blocks) {
      for (int b = 0; b < own.length; b++) {
        own[b] = order[next++];
      }
    }
    return blocks;
  }

  @Override
  public String toString() {
    return "%d/%d heads of %d and %d, %s, blocks of %d, past %s, rows %s%s%s%s%s%s"
        .formatted(
            heads.heads(),
            heads.kvHeads(),
            heads.keyLength(),
            heads.valueLength(),
            type,
            blockSize,
            Arrays.toString(past),
            Arrays.toString(rows),
            heads.window() > 0 ? ", window " + heads.window() : "",
            heads.softcap() > 0 ? ", softcap" : "",
            heads.causal() ? "" : ", bidirectional",
            heads.maxAlibiBias() > 0 ? ", ALiBi" : "",
            withSinks ? ", sinks" : "");
  }
}
