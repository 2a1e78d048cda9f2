package ai.realm.engine;

import static ai.realm.engine.GreedySteps.prompt;
import static ai.realm.engine.GreedySteps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import java.util.Arrays;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
final class SavedSequenceTest {
  private static final int BLOCK = 8;

  private static Engine start(FakeModel model, int blocks) {
    return Engine.start(model, model.backend, FakeModel.sizes(16, 8, BLOCK, blocks).build());
  }

  private static long rows(Engine engine) {
    return engine.stats().rows();
  }

  @Test
  void goesOnWithoutComputingThePromptAgain() throws Exception {
    int[] ids = prompt(1, 29);
    SavedSequence saved;
    try (Engine engine = start(new FakeModel(1000), 50)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, ids);
        saved = s.save();
        assertThat(saved.bytes()).isEqualTo(s.savedBytes());
        // What comes after does not change what was saved.
        step(engine, s, 3);
      }
    }
    try (Engine engine = start(new FakeModel(1000), 50)) {
      EngineTenant tenant = engine.tenant("b", TenantShare.UNBOUNDED);
      try (Sequence s = engine.openSequence(tenant, null, saved);
          Sequence again = engine.openSequence(tenant, null, saved)) {
        assertThat(s.tokens()).isEqualTo(ids);
        int[] more = Arrays.copyOf(ids, 30);
        more[29] = 5;
        assertThat(step(engine, s, 5)).isEqualTo(FakeModel.next(more, 30));
        assertThat(rows(engine)).isEqualTo(1);
        more[29] = 6;
        assertThat(step(engine, again, 6)).isEqualTo(FakeModel.next(more, 30));
        assertThat(rows(engine)).isEqualTo(2);
        again.truncate(10);
        assertThat(step(engine, again, 9))
            .isEqualTo(FakeModel.next(Arrays.copyOf(withLast(ids, 10, 9), 11), 11));
      }
      engine.remove(tenant);
      assertThat(engine.stats().freeBlocks()).isEqualTo(50);
    }
  }

  @Test
  void aSequenceWhoseBlocksCannotBeWrittenIsNotLeftOpen() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 50)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      SavedSequence saved;
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, prompt(1, 29));
        saved = s.save();
      }
      saved.blocks()[1] = new byte[3];
      assertThatThrownBy(() -> engine.openSequence(tenant, null, saved))
          .isInstanceOf(RuntimeException.class);
      assertThat(engine.stats().openSequences()).isZero();
      engine.remove(tenant);
      assertThat(engine.stats().freeBlocks()).isEqualTo(50);
    }
  }

  private static int[] withLast(int[] ids, int at, int token) {
    int[] changed = ids.clone();
    changed[at] = token;
    return changed;
  }

  @Test
  void sequencesWithoutBlocksAreSavedAndComputedAgain() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 50)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] ids = prompt(2, 20);
      KvLayout layout = engine.kvLayout();
      SavedSequence tokensOnly = new SavedSequence(layout, ids, 0, new byte[0][]);
      try (Sequence empty = engine.newSequence(tenant);
          Sequence nothing = engine.openSequence(tenant, null, empty.save());
          Sequence s = engine.openSequence(tenant, null, tokensOnly)) {
        assertThat(nothing.length()).isZero();
        assertThat(step(engine, nothing, 7)).isEqualTo(FakeModel.next(new int[] {7}, 1));
        int[] more = Arrays.copyOf(ids, 21);
        more[20] = 5;
        assertThat(step(engine, s, 5)).isEqualTo(FakeModel.next(more, 21));
      }
    }
  }

  @Test
  void whatFindsNoBlocksIsComputedAgain() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 6)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant other = engine.tenant("b", TenantShare.UNBOUNDED);
      int[] ids = prompt(2, 30);
      SavedSequence saved;
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, ids);
        saved = s.save();
      }
      // Just used: its blocks are not taken from it.
      try (Sequence busy = engine.newSequence(other)) {
        step(engine, busy, prompt(3, 32));
        try (Sequence s = engine.openSequence(tenant, null, saved)) {
          int[] more = Arrays.copyOf(ids, 31);
          more[30] = 5;
          assertThat(step(engine, s, 5)).isEqualTo(FakeModel.next(more, 31));
        }
      }
    }
  }

  @Test
  void savingWhileStrangersStepNeverMixesBlocks() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 60);
        ExecutorService callers = Executors.newFixedThreadPool(4)) {
      Future<?>[] all = new Future<?>[4];
      for (int t = 0; t < all.length; t++) {
        EngineTenant tenant = engine.tenant("t" + t, TenantShare.UNBOUNDED);
        int seed = t;
        all[t] =
            callers.submit(() -> {
              for (int round = 0; round < 30; round++) {
                int[] ids = prompt(seed * 100 + round, 10 + round);
                SavedSequence saved;
                try (Sequence s = engine.newSequence(tenant)) {
                  step(engine, s, ids);
                  saved = s.save();
                }
                try (Sequence s = engine.openSequence(tenant, null, saved)) {
                  int[] more = Arrays.copyOf(ids, ids.length + 1);
                  more[ids.length] = round;
                  assertThat(step(engine, s, round)).isEqualTo(FakeModel.next(more, more.length));
                }
              }
              return null;
            });
      }
      for (Future<?> each : all) {
        each.get(60, TimeUnit.SECONDS);
      }
    }
  }

  @Test
  void limitsHoldBeforeAnythingIsOpened() throws Exception {
    FakeModel model = new FakeModel(40);
    try (Engine engine = start(model, 20)) {
      EngineTenant tenant = engine.tenant("a", new TenantShare(1, 1, 3, 8));
      KvLayout layout = engine.kvLayout();
      byte[][] blocks = new byte[4][(int) layout.blockBytes()];
      refuse(engine, tenant, new SavedSequence(layout, prompt(1, 32), 32, blocks), "KV_LIMIT");
      byte[][] none = new byte[0][];
      refuse(engine, tenant, new SavedSequence(layout, prompt(1, 41), 0, none), "CONTEXT_FULL");
      SavedSequence foreign = new SavedSequence(layout, new int[] {100}, 0, none);
      assertThatThrownBy(() -> engine.openSequence(tenant, null, foreign))
          .hasMessageContaining("token ids below 100, found 100");
      KvLayout wider = new KvLayout(1, 1, 2, 1, BLOCK, KvType.F32);
      SavedSequence other = new SavedSequence(wider, prompt(1, 3), 0, none);
      assertThatThrownBy(() -> engine.openSequence(tenant, null, other))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("layout");
      assertThat(engine.stats().openSequences()).isZero();
      try (Sequence s = engine.newSequence(tenant)) {
        SavedSequence saved = s.save();
        refuse(engine, tenant, saved, "SEQUENCE_LIMIT");
      }
    }
  }

  private static void refuse(Engine engine, EngineTenant tenant, SavedSequence saved, String code) {
    assertThatThrownBy(() -> engine.openSequence(tenant, null, saved))
        .isInstanceOfSatisfying(
            AdmissionException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void savedSequencesAreWhatTheySay() {
    KvLayout layout = new KvLayout(1, 1, 1, 1, BLOCK, KvType.F32);
    assertThatThrownBy(() -> new SavedSequence(layout, new int[3], 4, new byte[1][64]))
        .hasMessageContaining("0 to 3 cached positions, found 4");
    assertThatThrownBy(() -> new SavedSequence(layout, new int[9], 9, new byte[1][64]))
        .hasMessageContaining("expected 2 blocks");
    assertThatThrownBy(() -> new SavedSequence(layout, new int[9], 8, new byte[1][63]))
        .hasMessageContaining("expected blocks of 64 bytes, found 63");
  }
}
