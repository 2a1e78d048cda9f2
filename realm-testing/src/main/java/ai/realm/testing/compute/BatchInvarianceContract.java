package ai.realm.testing.compute;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// What [Backend#isBatchInvariant] promises (case S07): every row's result is the same, bit for bit, alone, in
/// chunks of any length, and beside strangers.
public abstract class BatchInvarianceContract {
  /// Rows of a step: more than any kernel takes at once, and no multiple of what one takes.
  private static final int ROWS = 61;

  /// Lengths of the chunks that the same rows are computed in.
  private static final int[] CHUNKS = {1, 2, 3, 5, 8, 13, 16, 17, 31, ROWS};

  private final Random random = new Random(11);

  /// Opens the backend as a batch-invariant one.
  protected abstract Backend open();

  @Test
  void saysThatItIs() {
    try (Backend backend = open()) {
      assertThat(backend.isBatchInvariant()).isTrue();
    }
  }

  /// What is done to `rows` rows of `dim` floats.
  @FunctionalInterface
  private interface Operation {
    void run(Buffer out, Buffer x, int rows);
  }

  /// All rows at once, then in chunks of each length.
  private void assertInvariant(
      String what, Backend backend, float[] x, int inDim, int outDim, Operation operation) {
    float[] all = chunked(backend, x, inDim, outDim, ROWS, operation);
    for (int chunk : CHUNKS) {
      assertThat(chunked(backend, x, inDim, outDim, chunk, operation))
          .as("%s, %d rows at a time", what, chunk)
          .isEqualTo(all);
    }
  }

  private static float[] chunked(
      Backend backend, float[] x, int inDim, int outDim, int chunk, Operation operation) {
    float[] result = new float[ROWS * outDim];
    for (int row = 0; row < ROWS; row += chunk) {
      int rows = Math.min(chunk, ROWS - row);
      try (Buffer in = backend.allocate((long) rows * inDim);
          Buffer out = backend.allocate((long) rows * outDim)) {
        backend.write(in, 0, x, row * inDim, rows * inDim);
        operation.run(out, in, rows);
        backend.read(out, 0, result, row * outDim, rows * outDim);
      }
    }
    return result;
  }

  static List<GgmlType> types() {
    return RandomTensors.types();
  }

  @ParameterizedTest
  @MethodSource("types")
  void products(GgmlType type) {
    int block = type.blockSize();
    int[] columns = block == 1 ? new int[] {33, 520} : new int[] {block, 1280};
    int[] rows = {35, 128};
    try (Backend backend = open();
        Arena arena = Arena.ofShared()) {
      for (int i = 0; i < columns.length; i++) {
        int cols = columns[i];
        Tensor first = RandomTensors.matrix(arena, type, rows[i], cols, random);
        float[] x = RandomTensors.floats(ROWS * cols, random);
        try (WeightMatrix w = backend.weights(first)) {
          assertInvariant(
              "%s, %d columns".formatted(type, cols),
              backend,
              x,
              cols,
              rows[i],
              (out, in, n) -> backend.matmul(out, w, in, n));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void activations(Activation activation) {
    try (Backend backend = open()) {
      for (int dim : new int[] {7, 37, 1040}) {
        float[] x = RandomTensors.floats(ROWS * dim, random);
        assertInvariant(
            "%s of %d".formatted(activation, dim),
            backend,
            x,
            dim,
            dim,
            (out, in, n) -> {
              backend.add(out, in, (long) n * dim);
              backend.activate(activation, out, (long) n * dim);
              backend.gate(activation, out, in, (long) n * dim);
              backend.gateClamped(out, in, (long) n * dim, 1.7f, 7);
              backend.softcap(out, 3, (long) n * dim);
            });
      }
    }
  }

  @Test
  void rows() {
    try (Backend backend = open()) {
      for (int dim : new int[] {10, 96, 1040}) {
        float[] x = RandomTensors.floats(ROWS * dim, random);
        float[] table = RandomTensors.floats(ROWS * dim, random);
        try (Buffer weight = backend.allocate(dim);
            Buffer angles = backend.allocate((long) ROWS * dim)) {
          backend.write(weight, 0, RandomTensors.floats(dim, random), 0, dim);
          // The same angles for every row: rows begin at any of them.
          for (int r = 0; r < ROWS; r++) {
            backend.write(angles, (long) r * dim, table, 0, dim);
          }
          assertInvariant(
              "rows of " + dim,
              backend,
              x,
              dim,
              dim,
              (out, in, n) -> {
                backend.rmsNorm(out, in, n, dim, weight, 1e-5f);
                backend.rope(out, n, 1, dim, angles, dim, RopeStyle.HALVES);
                backend.layerNorm(out, out, n, dim, weight, weight, 1e-5f);
                backend.rope(out, n, 1, dim, angles, dim, RopeStyle.INTERLEAVED);
                backend.addRow(out, weight, n, dim);
                backend.multiplyRow(out, weight, n, dim);
                backend.scale(out, 0.37f, (long) n * dim);
              });
        }
      }
    }
  }

  /// Long contexts, whose keys a backend may share out, windows, grouped heads.
  @ParameterizedTest
  @EnumSource(KvType.class)
  void attention(KvType type) {
    for (int window : new int[] {0, 45}) {
      for (int past : new int[] {0, 1500}) {
        AttentionSpec spec =
            new AttentionSpec(8, 2, 64, 64, 0.125f, 0, window, true, window > 0 ? 8 : 0, null);
        try (Backend backend = open()) {
          attention(backend, type, spec, past);
        }
      }
    }
  }

  private void attention(Backend backend, KvType type, AttentionSpec spec, int past) {
    int blockSize = 32;
    int blocks = Math.ceilDiv(past + ROWS, blockSize);
    KvLayout layout =
        new KvLayout(1, spec.kvHeads(), spec.keyLength(), spec.valueLength(), blockSize, type);
    int kvWidth = spec.kvHeads() * spec.keyLength();
    int width = spec.heads() * spec.keyLength();
    int length = past + ROWS;
    float[] k = RandomTensors.floats(length * kvWidth, random);
    float[] v = RandomTensors.floats(length * kvWidth, random);
    float[] q = RandomTensors.floats(ROWS * width, random);
    float[] alone = rows(backend, layout, blocks, spec, past, k, v, q, ROWS, false);
    for (int chunk : new int[] {1, 7, 16, 40}) {
      assertThat(rows(backend, layout, blocks, spec, past, k, v, q, chunk, false))
          .as("%s, window %d, after %d, %d rows at a time", type, spec.window(), past, chunk)
          .isEqualTo(alone);
    }
    assertThat(rows(backend, layout, blocks, spec, past, k, v, q, 5, true))
        .as("%s, window %d, after %d, beside a stranger", type, spec.window(), past)
        .isEqualTo(alone);
  }

  /// Stores `past` positions at once, then stores and attends to ROWS more, `chunk` at a time.
  private float[] rows(
      Backend backend,
      KvLayout layout,
      int blocks,
      AttentionSpec spec,
      int past,
      float[] k,
      float[] v,
      float[] q,
      int chunk,
      boolean stranger) {
    int kvWidth = spec.kvHeads() * spec.keyLength();
    int width = spec.heads() * spec.keyLength();
    float[] result = new float[ROWS * width];
    int strangers = stranger ? 9 : 0;
    int[] own = new int[blocks];
    Arrays.setAll(own, b -> b);
    int[] others = {blocks};
    try (KvStore kv = backend.kvStore(layout, blocks + 1)) {
      if (past > 0) {
        Batch batch = new Batch(past, 1);
        batch.add(new int[past], 0, past, 0, own, 0);
        try (Buffer keys = backend.allocate((long) past * kvWidth);
            Buffer values = backend.allocate((long) past * kvWidth)) {
          backend.write(keys, 0, k, 0, past * kvWidth);
          backend.write(values, 0, v, 0, past * kvWidth);
          backend.storeKv(kv, 0, batch, keys, values);
        }
      }
      for (int row = 0; row < ROWS; row += chunk) {
        int n = Math.min(chunk, ROWS - row);
        int all = n + strangers;
        Batch batch = new Batch(all, 2);
        if (stranger) {
          batch.add(new int[strangers], 0, strangers, 0, others, 0);
        }
        batch.add(new int[n], 0, n, past + row, own, 0);
        float[] strange = RandomTensors.floats(Math.max(1, strangers * width), random);
        try (Buffer keys = backend.allocate((long) all * kvWidth);
            Buffer values = backend.allocate((long) all * kvWidth);
            Buffer queries = backend.allocate((long) all * width);
            Buffer out = backend.allocate((long) all * width)) {
          backend.write(keys, 0, strange, 0, strangers * kvWidth);
          backend.write(values, 0, strange, 0, strangers * kvWidth);
          backend.write(queries, 0, strange, 0, strangers * width);
          long at = (long) strangers * kvWidth;
          backend.write(keys, at, k, (past + row) * kvWidth, n * kvWidth);
          backend.write(values, at, v, (past + row) * kvWidth, n * kvWidth);
          backend.write(queries, (long) strangers * width, q, row * width, n * width);
          backend.storeKv(kv, 0, batch, keys, values);
          backend.attention(out, queries, kv, 0, batch, spec);
          backend.read(out, (long) strangers * width, result, row * width, n * width);
        }
      }
    }
    return result;
  }
}
