package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Logits that a step keeps are memory of the guest that asked for them.
@Timeout(120)
final class KeptLogitsTest extends SampleFixture {
  private static final int VOCABULARY = 1792;

  /// As many rows as the prompt, over and over, in the guest's memory.
  private static final int MANY = 400;

  @AutoClose private final CallerRealms realms = new CallerRealms(backend);

  private static void fill(CallerRealms.Tenant tenant) {
    for (int n = CallerRealms.PROMPT_TOKENS; n < MANY; n += CallerRealms.PROMPT_TOKENS) {
      tenant.guest.tokenize(tenant.model, CallerRealms.PROMPT, CallerRealms.IDS + 4 * n);
    }
  }

  private static void assertRefused(CallerRealms.Tenant tenant) {
    assertThatThrownBy(() ->
            tenant.guest.step(
                tenant.kv, CallerRealms.IDS, MANY, HostCaller.ALL | HostCaller.LOGITS))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("MEMORY_LIMIT"));
  }

  @Test
  void logitsThatDoNotFitTheRealmsMemoryAreRefusedAndTheEngineLives() {
    CallerRealms.Tenant other =
        realms.tenant("other", ResourceLimits.unbounded(GuestLimits.DEFAULT));
    int[] expected = other.guest.greedy(other.kv, CallerRealms.IDS, CallerRealms.PROMPT_TOKENS, 7);
    CallerRealms.Tenant greedy =
        realms.tenant("greedy", ResourceLimits.builder().memoryBytes(1 << 20).build());
    fill(greedy);
    long before = greedy.realm.memory().used();
    assertRefused(greedy);
    assertThat(greedy.realm.memory().used()).isEqualTo(before);
    assertThat(greedy.usage().steps()).as("the engine was not asked").isZero();
    int again = other.guest.call("kv_new", other.model);
    assertThat(other.guest.greedy(again, CallerRealms.IDS, CallerRealms.PROMPT_TOKENS, 7))
        .isEqualTo(expected);
    // What fits is there.
    assertThat(greedy.guest.step(greedy.kv, CallerRealms.IDS, 11, HostCaller.LOGITS)).isZero();
    assertThat(greedy.guest.call("logits_read", greedy.kv, 0, 65_536, VOCABULARY))
        .isEqualTo(VOCABULARY);
    float[] logits = greedy.guest.floats(65_536, VOCABULARY);
    int best = 0;
    for (int i = 1; i < VOCABULARY; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    assertThat(best).isEqualTo(expected[0]);
  }

  @Test
  void keptLogitsAreChargedOnceAndUntilTheSequenceIsFreed() {
    CallerRealms.Tenant tenant =
        realms.tenant("a", ResourceLimits.builder().memoryBytes(1 << 20).build());
    HostCaller guest = tenant.guest;
    long before = tenant.realm.memory().used();
    int flags = HostCaller.ALL | HostCaller.LOGITS;
    long bytes = 4L * 11 * VOCABULARY;
    for (int i = 0; i < 3; i++) {
      // The room of the step before is used again.
      assertThat(guest.step(tenant.kv, CallerRealms.IDS, 11, flags)).isZero();
      assertThat(tenant.realm.memory().used()).isEqualTo(before + bytes);
    }
    assertThat(guest.step(tenant.kv, CallerRealms.IDS, 5, flags)).isZero();
    assertThat(tenant.realm.memory().used()).isEqualTo(before + bytes);
    int fork = guest.call("kv_fork", tenant.kv);
    assertThat(guest.step(fork, CallerRealms.IDS, 1, flags)).isZero();
    assertThat(tenant.realm.memory().used()).isEqualTo(before + bytes + 4L * VOCABULARY);
    assertThat(guest.call("kv_free", tenant.kv)).isZero();
    assertThat(tenant.realm.memory().used()).isEqualTo(before + 4L * VOCABULARY);
    assertThat(guest.call("kv_free", fork)).isZero();
    assertThat(tenant.realm.memory().used()).isEqualTo(before);
  }

  @Test
  void whereTheRealmIsUnboundedAGuestKeepsNoMoreThanItsMemoryMayBe() {
    CallerRealms.Tenant tenant =
        realms.tenant(
            "a", ResourceLimits.unbounded(GuestLimits.DEFAULT.withMaxMemoryBytes(1 << 20)));
    fill(tenant);
    assertRefused(tenant);
    // All sequences together: 14 of 11 rows do not fit in a mebibyte, 13 do.
    int flags = HostCaller.ALL | HostCaller.LOGITS;
    for (int i = 0; i < 13; i++) {
      int kv = tenant.guest.call("kv_new", tenant.model);
      assertThat(tenant.guest.step(kv, CallerRealms.IDS, 11, flags)).isZero();
    }
    assertThatThrownBy(() -> tenant.guest.step(tenant.kv, CallerRealms.IDS, 11, flags))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("MEMORY_LIMIT"));
    assertThat(tenant.guest.step(tenant.kv, CallerRealms.IDS, 11, HostCaller.ALL)).isZero();
  }
}
