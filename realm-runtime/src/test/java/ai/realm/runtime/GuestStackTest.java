package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.engine.EngineStats;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// W03: a guest that calls the host from the end of its stack, which the host's functions run on. Each of
/// them has what it needs or is not begun: nothing of the host is left half done.
@Timeout(240)
final class GuestStackTest extends SampleFixture {
  private static final TenantId HOSTILE = new TenantId("hostile");
  private static final TenantId VICTIM = new TenantId("victim");

  private static RealmPolicy policy() {
    return RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT))
        .withTools(new GuestTools(Map.of("add", question -> "15")))
        .withBreaker(Integer.MAX_VALUE, Duration.ofSeconds(1));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theHostIsCalledFromAboutTheEndOfTheStack(boolean worker) throws Exception {
    byte[] guest = AskingGuest.with(g -> {});
    try (MultiRealmManager manager = new MultiRealmManager(sample(), guest)) {
      manager.create(VICTIM, policy());
      manager.create(HOSTILE, worker ? policy().withIsolation(Isolation.worker()) : policy());
      manager.deploy(HOSTILE, guest);
      long expected = manager.call(VICTIM, "run", GuestOutput.discard()).value();
      int depth = 0;
      int step = 4096;
      int answers = 0;
      int traps = 0;
      // Its frames shrink while the JVM compiles it, so that the end moves.
      for (int n = 0; n < 1500; n++) {
        try {
          CallResult result = manager.call(HOSTILE, "generate", GuestOutput.discard(), depth);
          assertThat(result.value()).isEqualTo(expected);
          answers++;
          depth += step;
        } catch (GuestTrapException e) {
          assertThat(e.code()).isEqualTo("GUEST_TRAP");
          traps++;
          step = step > 4 ? step / 2 : 1 + n % 80;
          depth -= step;
        }
        if (n % 100 == 0) {
          assertThat(manager.call(VICTIM, "run", GuestOutput.discard()).value())
              .isEqualTo(expected);
        }
      }
      assertThat(answers).isGreaterThan(300);
      assertThat(traps).isGreaterThan(300);
      manager.remove(HOSTILE);
      assertThat(manager.call(VICTIM, "run", GuestOutput.discard()).value()).isEqualTo(expected);
      manager.remove(VICTIM);
      EngineStats stats = manager.model("sample", System.nanoTime()).host().engine().stats();
      assertThat(stats.tenants()).isZero();
      assertThat(stats.openSequences()).isZero();
      assertThat(stats.freeBlocks()).isEqualTo(stats.blocks());
    }
  }
}
