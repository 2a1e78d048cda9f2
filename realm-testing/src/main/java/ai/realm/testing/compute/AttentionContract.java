package ai.realm.testing.compute;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Attention over the paged KV store, for every backend: grouped queries, windows, caps, sinks, ALiBi,
/// encoders, several sequences over shuffled blocks, and indices out of bounds.
public abstract class AttentionContract {
  /// Exponentials and sums in float.
  private static final double F32_TOLERANCE = 2e-5;

  /// Keys and values lose 13 bits; scores move by 2⁻¹¹ of their size.
  private static final double F16_TOLERANCE = 2e-3;

  /// Keys and values are rounded to 1/127 of the greatest of 32.
  private static final double Q8_TOLERANCE = 3e-2;

  /// Opens the backend under test.
  protected abstract Backend open();

  /// Relative error allowed with keys and values stored so; a backend that rounds queries or scores
  /// too says more.
  protected double tolerance(KvType type) {
    return switch (type) {
      case F32 -> F32_TOLERANCE;
      case F16 -> F16_TOLERANCE;
      case Q8_0 -> Q8_TOLERANCE;
    };
  }

  private static AttentionSpec heads(int heads, int kvHeads, int keyLength, int valueLength) {
    return new AttentionSpec(
        heads,
        kvHeads,
        keyLength,
        valueLength,
        (float) (1 / Math.sqrt(keyLength)),
        0,
        0,
        true,
        0,
        null);
  }

  private static AttentionSpec with(
      AttentionSpec h, float softcap, int window, boolean causal, float maxAlibiBias) {
    return new AttentionSpec(
        h.heads(),
        h.kvHeads(),
        h.keyLength(),
        h.valueLength(),
        h.scale(),
        softcap,
        window,
        causal,
        maxAlibiBias,
        null);
  }

  static List<KvScenario> scenarios() {
    List<KvScenario> all = new ArrayList<>();
    AttentionSpec grouped = heads(8, 2, 64, 64);
    for (KvType type : KvType.values()) {
      all.add(plain(heads(1, 1, 32, 32), type, 16, new int[] {0}, new int[] {1}));
      all.add(plain(grouped, type, 16, new int[] {0}, new int[] {33}));
      all.add(plain(grouped, type, 16, new int[] {100}, new int[] {1}));
      all.add(plain(grouped, type, 5, new int[] {0, 17, 31, 6}, new int[] {9, 1, 3, 1}));
      all.add(plain(heads(6, 6, 96, 32), type, 7, new int[] {3, 40}, new int[] {2, 5}));
      all.add(plain(heads(9, 3, 64, 128), type, 32, new int[] {65, 64}, new int[] {1, 1}));
      all.add(plain(with(grouped, 5, 0, true, 0), type, 16, new int[] {20}, new int[] {17}));
      all.add(plain(with(grouped, 0, 8, true, 0), type, 16, new int[] {40, 0}, new int[] {5, 20}));
      all.add(plain(with(grouped, 0, 0, true, 8), type, 16, new int[] {10, 3}, new int[] {7, 2}));
      all.add(plain(with(grouped, 0, 0, false, 0), type, 16, new int[] {0, 0}, new int[] {19, 4}));
      all.add(
          new KvScenario(
              with(grouped, 0, 12, true, 0), true, type, 16, new int[] {30, 2}, new int[] {3, 1}));
    }
    for (int keyLength : new int[] {1, 3, 8, 17, 40, 80, 112, 257}) {
      all.add(
          plain(heads(4, 2, keyLength, keyLength), KvType.F32, 4, new int[] {11}, new int[] {3}));
      all.add(plain(heads(3, 1, keyLength, 5), KvType.F16, 1, new int[] {2, 0}, new int[] {2, 8}));
    }
    all.add(
        plain(
            with(heads(12, 12, 16, 16), 0, 0, true, 8),
            KvType.F32,
            8,
            new int[] {9},
            new int[] {2}));
    all.add(
        plain(
            with(heads(4, 1, 16, 16), 0, 1, true, 0), KvType.F32, 8, new int[] {9}, new int[] {4}));
    all.add(plain(heads(32, 8, 128, 128), KvType.F16, 16, new int[] {700}, new int[] {2}));
    return all;
  }

  private static KvScenario plain(
      AttentionSpec spec, KvType type, int blockSize, int[] past, int[] rows) {
    return new KvScenario(spec, false, type, blockSize, past, rows);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("scenarios")
  void attentionEqualsItsDefinition(KvScenario scenario) {
    try (Backend backend = open()) {
      KvScenario.Outcome outcome = scenario.run(backend, 7);
      BackendContract.assertRelativeError(
          outcome.actual(), outcome.expected(), tolerance(scenario.type()));
    }
  }

  @ParameterizedTest
  @EnumSource(KvType.class)
  void copiedBlocksHoldTheSameAndClearedOnesNothing(KvType type) {
    AttentionSpec spec = heads(2, 1, 32, 32);
    Batch batch = new Batch(8, 1);
    batch.add(new int[6], 0, 6, 0, new int[] {2}, 0);
    float[] first = new float[6 * 64];
    float[] copy = new float[first.length];
    float[] cleared = new float[first.length];
    try (Backend backend = open();
        KvStore kv = backend.kvStore(new KvLayout(1, 1, 32, 32, 8, type), 3);
        Buffer k = backend.allocate(6 * 32);
        Buffer q = backend.allocate(6 * 64);
        Buffer out = backend.allocate(6 * 64)) {
      float[] random = RandomTensors.floats(6 * 64, new Random(3));
      backend.write(k, 0, random, 0, 6 * 32);
      backend.write(q, 0, random, 0, 6 * 64);
      backend.storeKv(kv, 0, batch, k, k);
      backend.attention(out, q, kv, 0, batch, spec);
      backend.read(out, 0, first, 0, first.length);
      kv.copyBlock(2, 0);
      kv.clearBlock(2);
      backend.attention(out, q, kv, 0, batch, spec);
      backend.read(out, 0, cleared, 0, cleared.length);
      batch.clear();
      batch.add(new int[6], 0, 6, 0, new int[] {0}, 0);
      backend.attention(out, q, kv, 0, batch, spec);
      backend.read(out, 0, copy, 0, copy.length);
    }
    assertThat(copy).isEqualTo(first);
    assertThat(cleared).containsOnly(0f);
  }

  @ParameterizedTest
  @EnumSource(KvType.class)
  void blocksCopiedOutGoOnInAnotherStore(KvType type) {
    KvLayout layout = new KvLayout(2, 1, 32, 32, 8, type, 3);
    AttentionSpec spec = heads(2, 1, 32, 32);
    byte[] block = new byte[(int) layout.blockBytes()];
    float[] first = new float[6 * 64];
    float[] again = new float[first.length];
    float[] state = {1, -2, 3};
    float[] stateAgain = new float[3];
    try (Backend backend = open();
        KvStore from = backend.kvStore(layout, 3);
        KvStore to = backend.kvStore(layout, 2);
        Buffer k = backend.allocate(6 * 32);
        Buffer q = backend.allocate(6 * 64);
        Buffer out = backend.allocate(6 * 64)) {
      float[] random = RandomTensors.floats(6 * 64, new Random(4));
      backend.write(k, 0, random, 0, 6 * 32);
      backend.write(q, 0, random, 0, 6 * 64);
      backend.storeKv(from, 1, batch(6, 0, 2), k, k);
      from.writeState(2, 0, state, 3);
      backend.attention(out, q, from, 1, batch(6, 0, 2), spec);
      backend.read(out, 0, first, 0, first.length);
      from.readBlock(2, block);
      to.writeBlock(1, block);
      backend.attention(out, q, to, 1, batch(6, 0, 1), spec);
      backend.read(out, 0, again, 0, again.length);
      to.readState(1, 0, stateAgain, 3);
      byte[] beside = new byte[block.length];
      to.readBlock(0, beside);
      assertThat(beside).containsOnly(0);
      BackendContract.refused(() -> from.readBlock(3, block));
      BackendContract.refused(() -> to.writeBlock(-1, block));
      BackendContract.refused(() -> to.writeBlock(0, new byte[block.length - 1]));
    }
    assertThat(again).isEqualTo(first);
    assertThat(stateAgain).isEqualTo(state);
  }

  @Test
  void indicesOutsideTheStoreAreRefused() {
    try (Backend backend = open();
        KvStore kv = backend.kvStore(new KvLayout(2, 1, 8, 8, 4, KvType.F32), 3);
        Buffer x = backend.allocate(64)) {
      AttentionSpec spec = heads(1, 1, 8, 8);
      Batch ok = batch(5, 0, 0, 1);
      BackendContract.refused(() -> backend.storeKv(kv, 2, ok, x, x));
      BackendContract.refused(() -> backend.storeKv(kv, -1, ok, x, x));
      BackendContract.refused(() -> backend.attention(x, x, kv, 2, ok, spec));
      for (Batch bad :
          List.of(batch(5, 0, 0, 3), batch(5, 0, -1, 1), batch(5, 0, 2), batch(1, 8, 0, 1))) {
        BackendContract.refused(() -> backend.storeKv(kv, 0, bad, x, x));
        BackendContract.refused(() -> backend.attention(x, x, kv, 0, bad, spec));
      }
      BackendContract.refused(() -> backend.attention(x, x, kv, 0, ok, heads(2, 2, 8, 8)));
      BackendContract.refused(() -> backend.storeKv(kv, 0, batch(9, 0, 0, 1, 2), x, x));
      BackendContract.refused(() -> kv.copyBlock(3, 0));
      BackendContract.refused(() -> kv.copyBlock(0, -1));
      BackendContract.refused(() -> kv.clearBlock(3));
    }
  }

  private static Batch batch(int rows, int position, int... blocks) {
    Batch batch = new Batch(rows, 1);
    batch.add(new int[rows], 0, rows, position, blocks, 0);
    return batch;
  }
}
