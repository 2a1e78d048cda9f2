package ai.realm.engine;

import static ai.realm.engine.GreedySteps.prompt;
import static ai.realm.engine.GreedySteps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Adapter;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// S01, S02: what one tenant computed no other finds, unless the host published it.
@Timeout(120)
final class PublishedPrefixTest {
  private static final long SECOND = 1_000_000_000L;
  private static final int BLOCK = 8;

  private static Engine start(FakeModel model, int blocks) {
    return Engine.start(model, model.backend, FakeModel.sizes(16, 8, BLOCK, blocks).build());
  }

  private static PublishedPrefix publish(Engine engine, Adapter adapter, int[] ids)
      throws InterruptedException {
    return engine.publish(adapter, ids, System.nanoTime() + 10 * SECOND);
  }

  /// Rows that the engine computes for a prompt, whose answer must be right.
  private static long rows(Engine engine, EngineTenant tenant, int... ids)
      throws InterruptedException {
    long before = engine.stats().rows();
    try (Sequence s = engine.newSequence(tenant)) {
      assertThat(step(engine, s, ids)).isEqualTo(FakeModel.next(ids, ids.length));
    }
    return engine.stats().rows() - before;
  }

  @Test
  void aStrangerFindsAPromptOnlyOnceItIsPublished() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 100)) {
      EngineTenant one = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant other = engine.tenant("b", TenantShare.UNBOUNDED);
      int[] ids = prompt(1, 30);
      assertThat(rows(engine, one, ids)).isEqualTo(30);
      assertThat(rows(engine, one, ids)).isEqualTo(30 - 24);
      assertThat(rows(engine, other, ids)).isEqualTo(30);

      int[] system = prompt(2, 29);
      try (PublishedPrefix prefix = publish(engine, null, system)) {
        assertThat(prefix.length()).isEqualTo(24);
        int[] more = Arrays.copyOf(system, 40);
        assertThat(rows(engine, one, more)).isEqualTo(40 - 24);
        assertThat(rows(engine, other, more)).isEqualTo(40 - 24);
        // Behind the published blocks come the tenant's own.
        assertThat(rows(engine, other, Arrays.copyOf(more, 41))).isEqualTo(41 - 40);
      }
    }
  }

  @Test
  void onlyTheSameTokensFindItAsFarAsTheyGo() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 200)) {
      int[] system = prompt(2, 32);
      try (PublishedPrefix prefix = publish(engine, null, system)) {
        assertThat(prefix.length()).isEqualTo(32);
        for (int differs : new int[] {0, 7, 8, 15, 16, 31}) {
          EngineTenant tenant = engine.tenant("t" + differs, TenantShare.UNBOUNDED);
          int[] ids = Arrays.copyOf(system, 36);
          ids[differs] = (ids[differs] + 1) % FakeModel.VOCABULARY;
          assertThat(rows(engine, tenant, ids))
              .as("differs at %d", differs)
              .isEqualTo(36 - differs / BLOCK * BLOCK);
        }
        // The last token is always computed, also where all are published.
        EngineTenant exact = engine.tenant("exact", TenantShare.UNBOUNDED);
        assertThat(rows(engine, exact, system)).isEqualTo(8);
      }
    }
  }

  @Test
  void adaptersHaveTheirOwn() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 100)) {
      Adapter adapter = new FakeModel.FakeAdapter("one", 100);
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] ids = prompt(3, 20);
      try (PublishedPrefix prefix = publish(engine, adapter, ids)) {
        assertThat(prefix.length()).isEqualTo(16);
        assertThat(rows(engine, tenant, ids)).isEqualTo(20);
        long before = engine.stats().rows();
        try (Sequence s = engine.newSequence(tenant, adapter)) {
          StepRequest r = new StepRequest().set(s, ids, ids.length, 0, null);
          engine.submit(r);
          r.await(System.nanoTime() + 10 * SECOND);
        }
        assertThat(engine.stats().rows() - before).isEqualTo(4);
      }
    }
  }

  @Test
  void withdrawnPromptsAreFoundByNobodyElseAndTheirBlocksAreFree() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 100)) {
      EngineTenant one = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant other = engine.tenant("b", TenantShare.UNBOUNDED);
      int[] ids = prompt(4, 30);
      PublishedPrefix prefix = publish(engine, null, ids);
      assertThat(engine.stats().publishedBlocks()).isEqualTo(3);
      assertThat(rows(engine, one, ids)).isEqualTo(6);
      prefix.close();
      prefix.close();
      assertThat(engine.stats().publishedBlocks()).isZero();
      assertThat(rows(engine, other, ids)).isEqualTo(30);
      // Who has found it keeps it as an earlier prompt of its own.
      assertThat(rows(engine, one, ids)).isEqualTo(6);
      engine.remove(one);
      engine.remove(other);
      assertThat(engine.stats().freeBlocks()).isEqualTo(100);
    }
  }

  @Test
  void publishedBlocksStayWhenOthersRunOut() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 10)) {
      EngineTenant one = engine.tenant("a", TenantShare.UNBOUNDED);
      int[] ids = prompt(5, 24);
      try (PublishedPrefix prefix = publish(engine, null, ids)) {
        assertThat(prefix.length()).isEqualTo(24);
        for (int i = 0; i < 20; i++) {
          rows(engine, one, prompt(10 + i, 50));
        }
        EngineTenant other = engine.tenant("b", TenantShare.UNBOUNDED);
        assertThat(rows(engine, other, Arrays.copyOf(ids, 30))).isEqualTo(6);
      }
    }
  }

  @Test
  void whatCannotBePublishedIsRefused() throws Exception {
    try (Engine engine = start(new FakeModel(1000), 10)) {
      assertThatThrownBy(() -> publish(engine, null, prompt(1, 7)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least a block of 8 tokens, found 7");
      try (PublishedPrefix prefix = publish(engine, null, prompt(1, 24))) {
        assertThat(prefix.length()).isEqualTo(24);
        assertThatThrownBy(() -> publish(engine, null, prompt(2, 24)))
            .isInstanceOfSatisfying(
                AdmissionException.class, e -> assertThat(e.code()).isEqualTo("PUBLISHED_LIMIT"));
      }
      publish(engine, null, prompt(2, 24)).close();
      assertThatThrownBy(() -> publish(engine, null, new int[] {1, 2, 3, 4, 5, 6, 7, 1000}))
          .isInstanceOf(IllegalArgumentException.class);
      assertThat(engine.stats().openSequences()).isZero();
      assertThat(engine.stats().freeBlocks()).isEqualTo(10);
    }
  }

  @Test
  void whatATenantIsChargedIsTheSameWithAndWithout() throws Exception {
    FakeModel model = new FakeModel(1000);
    try (Engine engine = start(model, 40)) {
      EngineTenant bounded = engine.tenant("a", new TenantShare(1, 8, 4, 8));
      int[] ids = prompt(6, 30);
      try (PublishedPrefix prefix = publish(engine, null, ids)) {
        assertThat(prefix.length()).isEqualTo(24);
        // Found blocks count as its own: one of 33 tokens would need a fifth.
        assertThat(rows(engine, bounded, ids)).isEqualTo(6);
        assertThatThrownBy(() -> rows(engine, bounded, Arrays.copyOf(ids, 33)))
            .isInstanceOfSatisfying(
                AdmissionException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"));
      }
    }
  }
}
