package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class NativeBackendTest {
  private static final int HEADS = 4;
  private static final int KV_HEADS = 2;
  private static final int HEAD_LENGTH = 64;
  private static final int DIM = HEADS * HEAD_LENGTH;
  private static final int KV_DIM = KV_HEADS * HEAD_LENGTH;
  private static final int ROUNDS = 2_000;
  private static final long WARM_UP_CPU_NANOS = TimeUnit.SECONDS.toNanos(60);

  /// The measuring itself and the JVM's own threads allocate a little; one argument array per call
  /// would be thousands of bytes.
  private static final long ALLOWED_BYTES = 200;

  @Test
  void theTokenLoopAllocatesNothing() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    KvLayout layout = new KvLayout(1, KV_HEADS, HEAD_LENGTH, HEAD_LENGTH, 32, KvType.F16);
    AttentionSpec spec = AttentionSpec.causal(HEADS, KV_HEADS, HEAD_LENGTH);
    try (NativeBackend backend = NativeVariants.best();
        Arena arena = Arena.ofShared();
        WeightMatrix wq = weights(backend, arena, GgmlType.Q4_K, DIM, DIM);
        WeightMatrix wk = weights(backend, arena, GgmlType.Q4_0, KV_DIM, DIM);
        WeightMatrix wv = weights(backend, arena, GgmlType.Q6_K, KV_DIM, DIM);
        WeightMatrix wo = weights(backend, arena, GgmlType.Q8_0, DIM, DIM);
        WeightMatrix wf = weights(backend, arena, GgmlType.F16, DIM, DIM);
        Buffer x = backend.allocate(DIM);
        Buffer q = backend.allocate(DIM);
        Buffer k = backend.allocate(KV_DIM);
        Buffer v = backend.allocate(KV_DIM);
        Buffer y = backend.allocate(DIM);
        Buffer table = backend.allocate(HEAD_LENGTH);
        KvStore kv = backend.kvStore(layout, 4)) {
      WeightMatrix[] ws = {wq, wk, wv};
      Buffer[] outs = {q, k, v};
      float[] frequencies = new float[HEAD_LENGTH / 2];
      Batch batch = new Batch(1, 1);
      batch.add(new int[] {1}, 0, 1, 77, new int[] {0, 1, 2}, 1);
      long deadline = threads.getCurrentThreadCpuTime() + WARM_UP_CPU_NANOS;
      long allocated = Long.MAX_VALUE;
      while (allocated >= ALLOWED_BYTES && threads.getCurrentThreadCpuTime() < deadline) {
        long before = threads.getTotalThreadAllocatedBytes();
        for (int round = 0; round < ROUNDS; round++) {
          backend.ropeTable(table, batch, frequencies, 1);
          backend.rmsNorm(y, x, 1, DIM, null, 1e-5f);
          backend.matmul(outs, ws, y, 1);
          backend.rope(q, 1, HEADS, HEAD_LENGTH, table, HEAD_LENGTH, RopeStyle.HALVES);
          backend.storeKv(kv, 0, batch, k, v);
          backend.attention(y, q, kv, 0, batch, spec);
          backend.matmul(q, wo, y, 1);
          backend.gate(Activation.SILU, q, y, DIM);
          backend.matmul(y, wf, q, 1);
          backend.add(x, y, DIM);
        }
        allocated = (threads.getTotalThreadAllocatedBytes() - before) / ROUNDS;
      }
      assertThat(allocated).as("bytes per round once compiled").isLessThan(ALLOWED_BYTES);
    }
  }

  @Test
  void saysWhatItRunsOnAndIsPreferredToAllOthers() {
    Backends.Selection selection = Backends.open("auto", new BackendOptions(2, true));
    try (var backend = selection.backend()) {
      assertThat(backend).isInstanceOf(NativeBackend.class);
      assertThat(backend.description()).startsWith("native: ").contains("2 threads");
      assertThat(selection.passedOver()).isEmpty();
    }
  }

  @Test
  void refusesWeightsAndBuffersAfterTheyAreClosed() {
    try (NativeBackend backend = NativeVariants.best();
        Arena arena = Arena.ofShared();
        Buffer x = backend.allocate(32);
        Buffer out = backend.allocate(16)) {
      WeightMatrix w = weights(backend, arena, GgmlType.Q8_0, 16, 32);
      Buffer gone = backend.allocate(32);
      gone.close();
      assertThatThrownBy(() -> backend.matmul(out, w, gone, 1))
          .isInstanceOf(IllegalStateException.class);
      w.close();
      assertThatThrownBy(() -> backend.matmul(out, w, x, 1))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("tensor w");
    }
  }

  @Test
  void measuresTheMachine() {
    try (NativeBackend backend = NativeVariants.plainest()) {
      assertThat(backend.measureLimits())
          .hasValueSatisfying(limits -> {
            assertThat(limits.readBytesPerSecond()).isGreaterThan(1e8);
            assertThat(limits.int8OperationsPerSecond()).isGreaterThan(1e8);
          });
    }
  }

  private static WeightMatrix weights(
      NativeBackend backend, Arena arena, GgmlType type, int rows, int cols) {
    Shape shape = Shape.of(cols, rows);
    return backend.weights(
        new Tensor("w", type, shape, arena.allocate(type.byteSize(shape.elements()), 64)));
  }
}
