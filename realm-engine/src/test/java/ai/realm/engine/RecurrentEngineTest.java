package ai.realm.engine;

import static ai.realm.engine.GreedySteps.prompt;
import static ai.realm.engine.GreedySteps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Sequences of models with running state: what a block holds is the state after its last written position, so
/// that every way to leave a position must go on from a state of it.
@Timeout(120)
final class RecurrentEngineTest {
  private static final int BLOCK = 4;

  private final FakeModel model = new FakeModel(1000);

  @BeforeEach
  void keepsState() {
    model.stateFloats = 1;
  }

  private Engine start(int blocks) {
    return Engine.start(model, model.backend, FakeModel.sizes(8, 8, BLOCK, blocks).build());
  }

  /// Appends a token, whose answer must be that of the whole history.
  private static int[] goOn(Engine engine, Sequence s, int token) throws InterruptedException {
    int[] before = s.tokens();
    int[] all = Arrays.copyOf(before, before.length + 1);
    all[before.length] = token;
    assertThat(step(engine, s, token)).isEqualTo(FakeModel.nextByState(all, all.length));
    return all;
  }

  @Test
  void promptsInChunksAndTokensGoOnFromEachOther() throws Exception {
    try (Engine engine = start(100)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] prompt = prompt(1, 29);
      try (Sequence s = engine.newSequence(tenant)) {
        assertThat(step(engine, s, prompt)).isEqualTo(FakeModel.nextByState(prompt, 29));
        for (int i = 0; i < 11; i++) {
          goOn(engine, s, i);
        }
      }
    }
  }

  @Test
  void truncatedOnesGoOnFromTheEndOfABlock() throws Exception {
    try (Engine engine = start(100)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, prompt(4, 30));
        s.truncate(14);
        goOn(engine, s, 77);
        // Blocks of 4: positions 12 and 13 are computed again, 14 is new.
        synchronized (model.steps) {
          assertThat(model.steps.getLast()).containsExactly(3);
        }
      }
    }
  }

  @Test
  void forksGoTheirOwnWays() throws Exception {
    try (Engine engine = start(100)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      for (int length : new int[] {15, 16, 17}) {
        try (Sequence s = engine.newSequence(tenant)) {
          step(engine, s, prompt(length, length));
          try (Sequence fork = s.fork()) {
            for (int i = 0; i < 6; i++) {
              goOn(engine, s, 5 + i);
              goOn(engine, fork, 50 + i);
            }
          }
        }
      }
    }
  }

  @Test
  void promptsThatBeginAlikeGoOnFromTheStateOfACachedBlock() throws Exception {
    try (Engine engine = start(100)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] prompt = prompt(7, 21);
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, prompt);
      }
      int[] other = Arrays.copyOf(prompt, 27);
      try (Sequence s = engine.newSequence(tenant)) {
        assertThat(step(engine, s, other)).isEqualTo(FakeModel.nextByState(other, 27));
      }
      assertThat(engine.stats().prefixBlocks()).isEqualTo(5);
    }
  }

  @Test
  void whatLostItsBlocksIsComputedAgain() throws Exception {
    try (Engine engine = start(10)) {
      EngineTenant a = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant b = engine.tenant("b", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(a);
          Sequence t = engine.newSequence(b)) {
        step(engine, s, prompt(5, 30));
        step(engine, t, prompt(6, 31));
        goOn(engine, s, 1);
        goOn(engine, t, 2);
        assertThat(engine.stats().preemptions()).isGreaterThanOrEqualTo(1);
      }
    }
  }

  @Test
  void savedOnesGoOnInAnotherEngine() throws Exception {
    int[] all;
    SavedSequence saved;
    try (Engine engine = start(50)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(tenant)) {
        step(engine, s, prompt(8, 22));
        all = goOn(engine, s, 9);
        saved = s.save();
      }
    }
    try (Engine engine = start(50)) {
      EngineTenant tenant = engine.tenant("b", TenantShare.UNBOUNDED);
      try (Sequence s = engine.openSequence(tenant, null, saved)) {
        assertThat(s.tokens()).isEqualTo(all);
        goOn(engine, s, 10);
        assertThat(engine.stats().rows()).isEqualTo(1);
      }
    }
  }

  @Test
  void aFailedStepLeavesNoStateOfTokensThatDoNotCount() throws Exception {
    try (Engine engine = start(100)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      for (int length : new int[] {13, 14, 15, 16}) {
        try (Sequence s = engine.newSequence(tenant)) {
          step(engine, s, prompt(length, length));
          for (int failed : new int[] {1, 3, 7}) {
            model.failWritten = new IllegalStateException("kernel gone");
            assertThatThrownBy(() -> step(engine, s, prompt(99, failed)))
                .isInstanceOf(EngineException.class);
            assertThat(s.length()).isEqualTo(length);
          }
          goOn(engine, s, 3);
        }
      }
    }
  }
}
