package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Batch;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.engine.AdmissionException;
import ai.realm.gguf.GgufFile;
import ai.realm.model.Architectures;
import ai.realm.model.CausalLm;
import ai.realm.model.ForwardPass;
import ai.realm.testing.sample.SampleModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class EmbeddingGuestTest extends SampleFixture {
  private static final byte[] GUEST =
      HostCaller.guest(Map.of("embed", 6, "kv_new", 1, "kv_len", 1));
  private static final int IDS = 32_768;
  private static final int OUT = 65_536;
  private static final int MEAN = 1;
  private static final int CLS = 2;
  private static final int LAST = 3;

  /// The fast backends sum in another order, and round activations before products with quantized weights.
  private static final double LEAST_COSINE = 0.995;

  private static final List<String> TEXTS =
      List.of(
          "What is the capital of France?",
          "Paris",
          "A sentence that is a good deal longer than the others, so that it takes more blocks than"
              + " one of them and its rows come in more than one piece where rows are scarce.");

  static Stream<Isolation> isolations() {
    return Stream.of(Isolation.inProcess(), Isolation.worker());
  }

  private RealmRuntime runtime(ResourceLimits limits, Isolation isolation) {
    return new RealmRuntime(sample(), limits, GuestTools.NONE, isolation);
  }

  private RealmRuntime runtime() {
    return runtime(ResourceLimits.unbounded(GuestLimits.DEFAULT), Isolation.inProcess());
  }

  private static float[] embed(HostCaller guest, int handle, int n, int flags) {
    int size = guest.call("embed", handle, IDS, n, flags, OUT, 4096);
    assertThat(size).isPositive();
    return guest.floats(OUT, size);
  }

  /// Hidden states of the naive backend, pooled here.
  private static float[] reference(int[] ids, int flags) {
    try (Backend naive = Backends.open("naive", BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(SampleModel.path());
        CausalLm lm = Architectures.load(file, naive);
        ForwardPass pass = lm.newForwardPass(ids.length, 1);
        KvStore kv = naive.kvStore(lm.kvLayout(ids.length, KvType.F32), 1)) {
      Batch batch = new Batch(ids.length, 1);
      batch.add(ids, 0, ids.length, 0, new int[1], 0);
      pass.forward(batch, kv);
      int width = lm.config().embeddingLength();
      float[] rows = new float[ids.length * width];
      naive.read(pass.hidden(0, ids.length), 0, rows, 0, rows.length);
      int first = flags == LAST ? ids.length - 1 : 0;
      int last = flags == CLS ? 0 : ids.length - 1;
      float[] sum = new float[width];
      for (int r = first; r <= last; r++) {
        for (int i = 0; i < width; i++) {
          sum[i] += rows[r * width + i];
        }
      }
      return sum;
    }
  }

  private static double cosine(float[] a, float[] b) {
    double product = 0;
    double squareA = 0;
    double squareB = 0;
    for (int i = 0; i < b.length; i++) {
      product += (double) a[i] * b[i];
      squareA += (double) a[i] * a[i];
      squareB += (double) b[i] * b[i];
    }
    assertThat(squareA).isEqualTo(1, within(1e-4));
    return product / Math.sqrt(squareA * squareB);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("isolations")
  void embeddingsAreThePooledHiddenStates(Isolation isolation) {
    try (RealmRuntime runtime = runtime(ResourceLimits.unbounded(GuestLimits.DEFAULT), isolation)) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      for (String text : TEXTS) {
        int n = guest.tokenize(model, text, IDS);
        int[] ids = guest.ints(IDS, n);
        for (int flags = MEAN; flags <= LAST; flags++) {
          float[] embedding = embed(guest, model, n, flags);
          assertThat(cosine(embedding, reference(ids, flags)))
              .as("%s, pooling %d", text, flags)
              .isGreaterThan(LEAST_COSINE);
        }
        // The sample model names no pooling: its last token.
        assertThat(embed(guest, model, n, 0)).containsExactly(embed(guest, model, n, LAST));
      }
    }
  }

  @Test
  void tokensOfASequenceAreEmbeddedBehindItsHistory() {
    try (RealmRuntime runtime = runtime()) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      int n = guest.tokenize(model, TEXTS.get(0), IDS);
      float[] whole = embed(guest, model, n, LAST);
      int kv = guest.call("kv_new", model);
      assertThat(guest.call("embed", kv, IDS, n - 2, MEAN, OUT, 0)).isPositive();
      assertThat(guest.call("kv_len", kv)).isEqualTo(n - 2);
      int size = guest.call("embed", kv, IDS + 4 * (n - 2), 2, LAST, OUT, 4096);
      assertThat(cosine(guest.floats(OUT, size), whole)).isGreaterThan(0.9999);
      assertThat(guest.call("kv_len", kv)).isEqualTo(n);
    }
  }

  @Test
  void embeddingsBesideStrangersAreWhatTheyAreAlone() throws Exception {
    RuntimeConfig config = sample();
    try (Memory64Manager memory64 = RealmRuntime.newMemory64(config);
        ModelCatalog models = new ModelCatalog(config);
        ExecutorService callers = Executors.newFixedThreadPool(4)) {
      ResourceLimits limits = ResourceLimits.unbounded(GuestLimits.DEFAULT);
      GuestEngine.Module module = new EndiveGuestEngine().load(GUEST, limits.guest());
      List<Future<List<float[]>>> all = new ArrayList<>();
      List<AutoCloseable> open = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        Realm realm = new Realm(new TenantId("t" + t), limits, models, memory64, GuestTools.NONE);
        GuestSession session = new GuestSession(realm, module);
        open.add(realm);
        open.add(session);
        String text = TEXTS.get(t % TEXTS.size());
        Callable<List<float[]>> loop =
            () -> {
              HostCaller guest = new HostCaller(session::call);
              int model = guest.open("sample");
              List<float[]> found = new ArrayList<>();
              for (int i = 0; i < 20; i++) {
                found.add(embed(guest, model, guest.tokenize(model, text, IDS), MEAN));
              }
              return found;
            };
        all.add(callers.submit(loop));
      }
      for (int t = 0; t < 4; t++) {
        List<float[]> found = all.get(t).get(60, TimeUnit.SECONDS);
        for (float[] each : found) {
          // Rows of one step and of several are computed in other tiles.
          assertThat(cosine(each, found.getFirst())).isGreaterThan(0.9999);
        }
      }
      for (AutoCloseable each : open.reversed()) {
        each.close();
      }
    }
  }

  @Test
  void countsAsAPromptAndEndsAtTheQuota() {
    ResourceLimits limits = ResourceLimits.builder().promptTokensPerMinute(20).build();
    try (RealmRuntime runtime = runtime(limits, Isolation.inProcess())) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      int n = guest.tokenize(model, TEXTS.get(0), IDS);
      embed(guest, model, n, 0);
      assertThat(runtime.usage().promptTokens()).isEqualTo(n);
      assertThat(runtime.usage().newTokens()).isZero();
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 3; i++) {
                  guest.call("embed", model, IDS, n, 0, OUT, 0);
                }
              })
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("PROMPT_TOKEN_RATE"));
    }
  }

  @Test
  void saysWhatItCannotDo() {
    ResourceLimits limits = ResourceLimits.builder().maxSequences(1).build();
    try (RealmRuntime runtime = runtime(limits, Isolation.inProcess())) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      int n = guest.tokenize(model, TEXTS.get(0), IDS);
      int width = guest.call("embed", model, IDS, n, 0, OUT, 0);
      assertThat(width).isPositive();
      // No room: the size alone, and nothing is written past the capacity.
      guest.poke(OUT + 8, 4711);
      assertThat(guest.call("embed", model, IDS, n, 0, OUT, 2)).isEqualTo(width);
      assertThat(guest.peek(OUT + 8)).isEqualTo(4711);
      assertThat(guest.call("embed", model, IDS, 0, 0, OUT, 0)).isEqualTo(Errno.EINVAL);
      assertThat(guest.call("embed", model, IDS, n, 4, OUT, 0)).isEqualTo(Errno.EINVAL);
      assertThat(guest.call("embed", model, IDS, n, -1, OUT, 0)).isEqualTo(Errno.EINVAL);
      assertThat(guest.call("embed", 17, IDS, n, 0, OUT, 0)).isEqualTo(Errno.EBADF);
      assertThat(guest.call("embed", model, IDS, 30_000, 0, OUT, 0)).isEqualTo(Errno.EMSGSIZE);
      guest.poke(IDS, 1 << 20);
      assertThat(guest.call("embed", model, IDS, n, 0, OUT, 0)).isEqualTo(Errno.EINVAL);
      assertThat(guest.call("kv_new", model)).isPositive();
      assertThatThrownBy(() -> guest.call("embed", model, OUT, n, 0, OUT, 0))
          .isInstanceOfSatisfying(
              AdmissionException.class, e -> assertThat(e.code()).isEqualTo("SEQUENCE_LIMIT"));
      assertThatThrownBy(() -> guest.call("embed", model, IDS, n, 0, -4, 4))
          .isInstanceOf(GuestTrapException.class);
    }
  }
}
