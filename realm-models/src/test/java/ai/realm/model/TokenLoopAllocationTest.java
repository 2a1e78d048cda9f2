package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Batch;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The token loop leaves the heap (nearly) alone on the backends that are meant to be fast.
class TokenLoopAllocationTest {
  private static final int WARM_UP = 800;
  private static final int STEPS = 100;

  /// About 100 operations a step: less than one small object each, once all is compiled.
  private static final long BYTES_PER_STEP = 4096;

  static Stream<String> fastBackends() {
    return TestBackends.names().filter(name -> !name.equals("naive"));
  }

  @ParameterizedTest(name = "on {0}")
  @MethodSource("fastBackends")
  void decodingAllocatesAlmostNothing(String backendName) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int positions = WARM_UP + STEPS;
    try (Backend backend = Backends.open(backendName, new BackendOptions(2, true)).backend();
        GgufFile file = GgufFile.open(SampleModel.path());
        CausalLm lm = Architectures.load(file, backend);
        ForwardPass pass = lm.newForwardPass(1, 1);
        KvStore kv = backend.kvStore(lm.kvLayout(positions, KvType.F16), 1)) {
      Batch batch = new Batch(1, 1);
      int[] ids = {17};
      int[] blocks = {0};
      long before = 0;
      for (int p = 0; p < positions; p++) {
        if (p == WARM_UP) {
          before = threads.getCurrentThreadAllocatedBytes();
        }
        batch.clear();
        batch.add(ids, 0, 1, p, blocks, 1);
        pass.forward(batch, kv);
      }
      long perStep = (threads.getCurrentThreadAllocatedBytes() - before) / STEPS;
      System.out.printf("token loop on %s: %d bytes a step%n", backendName, perStep);
      assertThat(perStep).isLessThan(BYTES_PER_STEP);
    }
  }
}
