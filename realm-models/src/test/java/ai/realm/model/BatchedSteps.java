package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.testing.sample.SampleReference;
import java.util.List;

/// Several prompts in one batch: all but their last tokens in the first step, the last ones in the
/// second.
final class BatchedSteps {
  /// Rows of a batch may be summed in another order than rows alone, and activations of one row are
  /// rounded alike.
  private static final double REORDERING_TOLERANCE = 1e-4;

  /// Where the CPU has tile registers, the native backend multiplies 16 rows and more in BF16 and fewer
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

  static float[][] lastLogits(Backend backend, CausalLm lm, List<SampleReference.Case> cases) {
    int rows = cases.stream().mapToInt(c -> c.ids().length).sum();
    int most = cases.stream().mapToInt(c -> c.ids().length).max().orElseThrow();
    int blocksEach = Math.ceilDiv(most, BLOCK_SIZE);
    float[][] result = new float[cases.size()][lm.config().vocabularySize()];
    try (ForwardPass pass = lm.newForwardPass(rows, cases.size());
        KvStore kv =
            backend.kvStore(lm.kvLayout(BLOCK_SIZE, KvType.F32), blocksEach * cases.size())) {
      Batch batch = new Batch(rows, cases.size());
      int[][] blocks = new int[cases.size()][blocksEach];
      for (int i = 0; i < cases.size(); i++) {
        for (int b = 0; b < blocksEach; b++) {
          // Blocks of the sequences alternate.
          blocks[i][b] = b * cases.size() + (i + b) % cases.size();
        }
        int[] ids = cases.get(i).ids();
        batch.add(ids, 0, ids.length - 1, 0, blocks[i], 0);
      }
      pass.forward(batch, kv);
      batch.clear();
      for (int i = 0; i < cases.size(); i++) {
        int[] ids = cases.get(i).ids();
        batch.add(ids, ids.length - 1, 1, ids.length - 1, blocks[i], 1);
      }
      Buffer logits = pass.forward(batch, kv);
      for (int i = 0; i < result.length; i++) {
        backend.read(logits, (long) i * result[i].length, result[i], 0, result[i].length);
      }
    }
    return result;
  }
}
