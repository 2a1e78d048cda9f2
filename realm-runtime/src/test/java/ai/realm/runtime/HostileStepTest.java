package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import run.endive.wasm.types.MemoryLimits;

/// W09, W10 and W14: records of a step that are wrong, point into themselves, or whose memory grows
/// meanwhile; matrices that overlap.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class HostileStepTest extends SampleFixture {
  private static final int VOCABULARY = 1792;
  private static final int RECORD = 512;
  private static final int TOKENS = 2048;
  private static final int OUT = 2100;
  private static final int MEMORY = 4 << 16;
  private static final int NAN = Float.floatToIntBits(Float.NaN);

  private RealmRuntime runtime;
  private HostCaller guest;
  private int kv;

  @BeforeEach
  void start() {
    runtime =
        new RealmRuntime(sample(), ResourceLimits.unbounded(GuestLimits.DEFAULT), GuestTools.NONE);
    guest =
        HostCaller.of(
            runtime,
            HostCaller.guest(
                Map.of("kv_new", 1, "kv_len", 1, "step", 2, "logits_read", 4, "candle_matmul", 8)));
    kv = guest.call("kv_new", guest.open("sample"));
    guest.poke(TOKENS, 1);
  }

  @AfterEach
  void end() {
    runtime.close();
  }

  /// A record of one token, with some fields changed: pairs of offset and value.
  private int step(int... changes) {
    int[] fields = new int[16];
    fields[0] = kv;
    fields[1] = TOKENS;
    fields[2] = 1;
    fields[3] = OUT;
    for (int i = 0; i < changes.length; i += 2) {
      fields[changes[i] / 4] = changes[i + 1];
    }
    guest.poke(RECORD, fields);
    return guest.call("step", RECORD, 1);
  }

  /// The record is read before anything is written, so a result in it harms the guest alone.
  @Test
  void pointersIntoTheRecordItselfDoNoHarm() {
    guest.poke(RECORD - 4, 4711);
    guest.poke(RECORD + 64, 4712);
    int steps = 0;
    for (int at = RECORD; at <= RECORD + 60; at += 4) {
      assertThat(step(12, at)).as("result at %d", at).isZero();
      assertThat(step(16, at)).as("log probability at %d", at).isZero();
      steps += 2;
      // What lies there is taken for a token, a handle for one that is not there.
      int token = step(4, at);
      assertThat(token).as("token at %d", at).isIn(0, Errno.EINVAL);
      steps += token == 0 ? 1 : 0;
      assertThat(guest.call("kv_len", kv)).isEqualTo(steps);
      assertThat(guest.peek(RECORD - 4)).isEqualTo(4711);
      assertThat(guest.peek(RECORD + 64)).isEqualTo(4712);
    }
    // A mask that begins in the record goes on behind it: where nothing may be sampled, nothing is.
    assertThat(step(24, RECORD)).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, VOCABULARY, Integer.MAX_VALUE, Integer.MIN_VALUE})
  void tokensOutOfRangeAreRefused(int token) {
    guest.poke(TOKENS, token);
    assertThat(step()).isEqualTo(Errno.EINVAL);
    assertThat(guest.call("kv_len", kv)).isZero();
    guest.poke(TOKENS, 1);
    assertThat(step()).isZero();
  }

  @Test
  void samplingFieldsThatAreNoNumbersAreRefused() {
    int infinity = Float.floatToIntBits(Float.POSITIVE_INFINITY);
    int minus = Float.floatToIntBits(-1);
    int[][] wrong = {
      {32, NAN},
      {32, infinity},
      {32, minus},
      {36, -1},
      {36, Integer.MIN_VALUE},
      {40, NAN},
      {40, minus},
      {40, infinity},
      {48, NAN},
      {48, minus},
      {48, infinity},
      {52, NAN},
      {52, minus},
      {52, infinity},
      {20, 32},
      {20, -1},
      {20, Integer.MIN_VALUE},
      {8, 0},
      {8, -1},
    };
    for (int[] change : wrong) {
      int top = Float.floatToIntBits(1);
      assertThat(step(40, top, change[0], change[1]))
          .as("field %d: 0x%x", change[0], change[1])
          .isEqualTo(Errno.EINVAL);
    }
    assertThat(step(8, Integer.MAX_VALUE)).isEqualTo(Errno.EMSGSIZE);
    assertThat(guest.call("kv_len", kv)).isZero();
    // Minus zero is zero.
    assertThat(step(32, Float.floatToIntBits(-0.0f), 40, Float.floatToIntBits(1))).isZero();
    for (int change : new int[] {28, 60}) {
      assertThat(step(change, 4711)).isEqualTo(Errno.EBADF);
    }
  }

  @Test
  void logitsAreReadAsFarAsThereIsRoom() {
    int to = 4096;
    assertThat(step()).isZero();
    assertThat(guest.call("logits_read", kv, 0, to, 16)).isEqualTo(Errno.EINVAL);
    assertThat(step(20, 8)).isZero();
    guest.poke(to, 4711, 4712, 4713);
    assertThat(guest.call("logits_read", kv, 0, to, 0)).isEqualTo(VOCABULARY);
    assertThat(guest.peek(to)).isEqualTo(4711);
    assertThat(guest.call("logits_read", kv, 0, to, 2)).isEqualTo(VOCABULARY);
    assertThat(guest.peek(to)).isNotEqualTo(4711);
    assertThat(guest.peek(to + 8)).isEqualTo(4713);
    guest.poke(to + 4 * VOCABULARY, 4714);
    assertThat(guest.call("logits_read", kv, 0, to, VOCABULARY + 100)).isEqualTo(VOCABULARY);
    assertThat(guest.peek(to + 4 * VOCABULARY)).isEqualTo(4714);
    for (int output : new int[] {-1, 1, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      assertThat(guest.call("logits_read", kv, output, to, 16)).isEqualTo(Errno.EINVAL);
    }
    for (int cap : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, MEMORY / 4}) {
      int sequence = kv;
      assertThatThrownBy(() -> guest.call("logits_read", sequence, 0, to, cap))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_MEMORY"));
      start();
      assertThat(step(20, 8)).isZero();
    }
  }

  /// The result may lie over either operand: both were read before.
  @Test
  void matricesThatOverlapAndTouchTheEndAreMultiplied() {
    int[][] places = {
      {0, 64, 0},
      {0, 64, 4},
      {64, 0, 0},
      {64, 0, 12},
      {0, 0, 0},
      {0, 8, 4},
      {MEMORY - 16, 0, 64},
      {0, MEMORY - 16, 64},
      {0, 64, MEMORY - 16},
      {MEMORY - 16, MEMORY - 16, MEMORY - 16},
    };
    for (int[] at : places) {
      guest.poke(at[1], bits(5, 7, 11, 13));
      guest.poke(at[0], bits(2, 3, 1, 4));
      float[] a = guest.floats(at[0], 4);
      float[] b = guest.floats(at[1], 4);
      assertThat(guest.call("candle_matmul", at[0], 4, at[1], 4, 2, 2, 2, at[2])).isZero();
      assertThat(guest.floats(at[2], 4))
          .as("a, b, result at %d, %d, %d", at[0], at[1], at[2])
          .containsExactly(
              a[0] * b[0] + a[1] * b[2],
              a[0] * b[1] + a[1] * b[3],
              a[2] * b[0] + a[3] * b[2],
              a[2] * b[1] + a[3] * b[3]);
    }
    for (int[] at : new int[][] {{MEMORY - 15, 0, 64}, {0, MEMORY - 12, 64}, {0, 64, MEMORY - 4}}) {
      assertThatThrownBy(() -> guest.call("candle_matmul", at[0], 4, at[1], 4, 2, 2, 2, at[2]))
          .isInstanceOf(GuestTrapException.class);
    }
  }

  private static int[] bits(float... values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToIntBits(values[i]);
    }
    return bits;
  }

  /// W10. The receiver of a step's text has the memory grown while the step writes its results.
  @Test
  void stepWritesWhereTheMemoryIsThatGrewMeanwhile(@TempDir Path folder) {
    RuntimeConfig config = sample();
    try (Memory64Manager memory64 = new Memory64Manager(folder, 1 << 20, 1 << 22);
        ModelCatalog models = new ModelCatalog(config);
        Realm realm =
            new Realm(
                new TenantId("a"),
                ResourceLimits.unbounded(GuestLimits.DEFAULT),
                models,
                memory64,
                GuestTools.NONE);
        GuestState state = new GuestState(realm)) {
      FlatMemory linear = new FlatMemory(new MemoryLimits(1, 4), new MemoryBudget(4 << 16));
      GuestMemory memory = new GuestMemory(linear);
      int[] grown = new int[1];
      GuestOutput growing =
          new GuestOutput() {
            @Override
            public void text(String text) {}

            @Override
            public void token(int id) {
              grown[0] += linear.grow(1) > 0 ? 1 : 0;
            }
          };
      state.begin(new Call(List.of(), growing, realm));
      GuestState.OpenModel model = state.openModel("sample");
      HostFunctions functions = new HostFunctions(state);
      for (int i = 0; i < 3; i++) {
        int record = RECORD + 64 * i;
        memory.putInt(record, state.handles().add(state.openSequence(model)));
        memory.putInt(record + 4, TOKENS);
        memory.putInt(record + 8, 1);
        memory.putInt(record + 12, OUT + 4 * i);
        memory.putInt(record + 20, 2);
        memory.putInt(OUT + 4 * i, -1);
        memory.putInt(record + 56, -1);
      }
      memory.putInt(TOKENS, 1);
      HostFunction step =
          functions.all().stream().filter(f -> f.name().equals("step")).findAny().orElseThrow();
      assertThat(step.body().call(memory, new int[] {RECORD, 3})).isZero();
      assertThat(grown[0]).isEqualTo(3);
      assertThat(linear.pages()).isEqualTo(4);
      for (int i = 0; i < 3; i++) {
        assertThat(memory.getInt(OUT + 4 * i)).isBetween(0, VOCABULARY - 1);
        assertThat(memory.getInt(RECORD + 64 * i + 56)).isIn(0, 1);
      }
      state.close();
      state.end();
    }
  }
}
