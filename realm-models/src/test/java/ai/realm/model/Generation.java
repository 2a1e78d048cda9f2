package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import java.util.Arrays;

/// One sequence on a model, as tests drive it: a prompt in chunks, then token by token, over KV blocks
/// in scattered order.
final class Generation implements AutoCloseable {
  private static final int BLOCK_SIZE = 16;
  private static final int MAX_ROWS = 100;

  private final Backend backend;
  private final CausalLm model;
  private final ForwardPass pass;
  private final KvStore kv;
  private final int[] blocks;
  private final Batch batch = new Batch(MAX_ROWS, 1);
  private int position;

  Generation(Backend backend, CausalLm model, int positions) {
    this.backend = backend;
    this.model = model;
    int count = Math.ceilDiv(positions, BLOCK_SIZE);
    pass = model.newForwardPass(MAX_ROWS, 1);
    kv = backend.kvStore(model.kvLayout(BLOCK_SIZE, KvType.F32), count);
    blocks = new int[count];
    for (int i = 0; i < count; i++) {
      // Odd blocks first, from the end: neighbours in the sequence are never neighbours in memory.
      blocks[i] = i % 2 == 0 ? count - 1 - i / 2 : i / 2;
    }
  }

  /// Appends tokens and returns the logits of the last `outputs` of them.
  float[][] append(int[] ids, int outputs) {
    float[][] logits = new float[outputs][model.config().vocabularySize()];
    int from = 0;
    while (from < ids.length) {
      int count = Math.min(MAX_ROWS, ids.length - from);
      int firstWanted = ids.length - outputs;
      int wanted = Math.clamp(from + count - (long) firstWanted, 0, count);
      batch.clear();
      batch.add(ids, from, count, position, blocks, wanted);
      Buffer result = pass.forward(batch, kv);
      for (int i = 0; i < wanted; i++) {
        float[] row = logits[from + count - wanted + i - firstWanted];
        backend.read(result, (long) i * row.length, row, 0, row.length);
      }
      from += count;
      position += count;
    }
    return logits;
  }

  /// The pooled embedding of the tokens.
  float[] embed(int[] ids) {
    Batch all = new Batch(ids.length, 1);
    all.add(ids, 0, ids.length, 0, blocks, 0);
    int width = model.config().embeddingLength();
    float[] hidden = new float[ids.length * width];
    try (ForwardPass whole = model.newForwardPass(ids.length, 1)) {
      whole.forward(all, kv);
      backend.read(whole.hidden(0, ids.length), 0, hidden, 0, hidden.length);
    }
    return switch (model.config().pooling()) {
      case NONE, LAST -> Arrays.copyOfRange(hidden, hidden.length - width, hidden.length);
      case CLS -> Arrays.copyOf(hidden, width);
      case MEAN -> mean(hidden, width);
      case RANK -> throw new AssertionError("no test has a reranker");
    };
  }

  private static float[] mean(float[] rows, int width) {
    float[] mean = new float[width];
    for (int i = 0; i < rows.length; i++) {
      mean[i % width] += rows[i] * width / rows.length;
    }
    return mean;
  }

  static int argmax(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  /// `‖actual − expected‖ / ‖expected‖` over all rows.
  static double relativeError(float[][] actual, float[][] expected) {
    double difference = 0;
    double norm = 0;
    for (int r = 0; r < expected.length; r++) {
      for (int i = 0; i < expected[r].length; i++) {
        double d = (double) actual[r][i] - expected[r][i];
        difference += d * d;
        norm += (double) expected[r][i] * expected[r][i];
      }
    }
    return Math.sqrt(difference / norm);
  }

  /// The greatest `|actual − expected|`.
  static double greatestError(float[][] actual, float[][] expected) {
    double greatest = 0;
    for (int r = 0; r < expected.length; r++) {
      for (int i = 0; i < expected[r].length; i++) {
        greatest = Math.max(greatest, Math.abs((double) actual[r][i] - expected[r][i]));
      }
    }
    return greatest;
  }

  @Override
  public void close() {
    pass.close();
    kv.close();
  }
}
