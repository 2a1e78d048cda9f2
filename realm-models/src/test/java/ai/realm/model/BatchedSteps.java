package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import java.util.List;

/// Several prompts in one batch: all but their last tokens in the first step, the last ones in the
/// second.
final class BatchedSteps {
  /// Rows of a batch may be summed in another order than rows alone, and activations of one row are
  /// rounded alike.
  private static final double REORDERING_TOLERANCE = 1e-4;

  /// Where the CPU has tile registers and batch invariance is not required, the native backend multiplies 16 rows and more in BF16 and fewer
  /// in bytes: alone, a short prompt is rounded otherwise than in a batch. Both stay far inside the bound
  /// against the reference.
  private static final double TILE_TOLERANCE = 1e-2;

  /// How far logits of a batch may be from those of its sequences alone: on the naive backend not at all.
  static double tolerance(String backend) {
    return switch (backend) {
      case "naive" -> 0;
      case "native" -> TILE_TOLERANCE;
      default -> REORDERING_TOLERANCE;
    };
  }

  private static final int BLOCK_SIZE = 8;

  private BatchedSteps() {}

  static float[][] lastLogits(Backend backend, CausalLm lm, List<int[]> prompts) {
    int rows = prompts.stream().mapToInt(ids -> ids.length).sum();
    int[][] blocks = blocks(prompts);
    float[][] result = new float[prompts.size()][lm.config().vocabularySize()];
    try (ForwardPass pass = lm.newForwardPass(rows, prompts.size());
        KvStore kv = kvStore(backend, lm, blocks)) {
      Batch batch = new Batch(rows, prompts.size());
      for (int i = 0; i < prompts.size(); i++) {
        int[] ids = prompts.get(i);
        batch.add(ids, 0, ids.length - 1, 0, blocks[i], 0);
      }
      pass.forward(batch, kv);
      batch.clear();
      for (int i = 0; i < prompts.size(); i++) {
        int[] ids = prompts.get(i);
        batch.add(ids, ids.length - 1, 1, ids.length - 1, blocks[i], 1);
      }
      Buffer logits = pass.forward(batch, kv);
      for (int i = 0; i < result.length; i++) {
        backend.read(logits, (long) i * result[i].length, result[i], 0, result[i].length);
      }
    }
    return result;
  }

  /// The final hidden states of each text, all in one step.
  static float[][] hidden(Backend backend, CausalLm lm, List<int[]> texts) {
    int rows = texts.stream().mapToInt(ids -> ids.length).sum();
    int width = lm.config().embeddingLength();
    int[][] blocks = blocks(texts);
    float[][] result = new float[texts.size()][];
    try (ForwardPass pass = lm.newForwardPass(rows, texts.size());
        KvStore kv = kvStore(backend, lm, blocks)) {
      Batch batch = new Batch(rows, texts.size());
      for (int i = 0; i < texts.size(); i++) {
        batch.add(texts.get(i), 0, texts.get(i).length, 0, blocks[i], 0);
      }
      pass.forward(batch, kv);
      int row = 0;
      for (int i = 0; i < result.length; i++) {
        int count = texts.get(i).length;
        result[i] = new float[count * width];
        backend.read(pass.hidden(row, count), 0, result[i], 0, result[i].length);
        row += count;
      }
    }
    return result;
  }

  private static KvStore kvStore(Backend backend, CausalLm lm, int[][] blocks) {
    return backend.kvStore(lm.kvLayout(BLOCK_SIZE, KvType.F32), blocks.length * blocks[0].length);
  }

  /// Blocks of the sequences alternate.
  private static int[][] blocks(List<int[]> prompts) {
    int most = prompts.stream().mapToInt(ids -> ids.length).max().orElseThrow();
    int[][] blocks = new int[prompts.size()][Math.ceilDiv(most, BLOCK_SIZE)];
    for (int i = 0; i < blocks.length; i++) {
      for (int b = 0; b < blocks[i].length; b++) {
        blocks[i][b] = b * blocks.length + (i + b) % blocks.length;
      }
    }
    return blocks;
  }
}
