package ai.realm.runtime;

import static ai.realm.runtime.CallerRealms.IDS;
import static ai.realm.runtime.CallerRealms.PROMPT_TOKENS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What a step is charged and counted as: what it samples is new, and what it feeds is a prompt unless the
/// sequence has just sampled it itself.
@Timeout(120)
final class TokenAccountingTest extends SampleFixture {
  private static final ResourceLimits FREE = ResourceLimits.unbounded(GuestLimits.DEFAULT);

  @AutoClose private final CallerRealms realms = new CallerRealms(backend);

  private static void assertCounts(CallerRealms.Tenant tenant, long prompt, long sampled) {
    assertThat(tenant.usage().promptTokens()).as("prompt tokens").isEqualTo(prompt);
    assertThat(tenant.usage().newTokens()).as("new tokens").isEqualTo(sampled);
  }

  @Test
  void aGenerationFeedsItsPromptAndWhatItSampled() {
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    tenant.guest.greedy(tenant.kv, IDS, PROMPT_TOKENS, 7);
    assertCounts(tenant, PROMPT_TOKENS, 7);
    assertThat(tenant.usage().steps()).isEqualTo(7);
  }

  @Test
  void tokensFedOneByOneWithoutOutputsAreAPrompt() {
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    HostCaller guest = tenant.guest;
    assertThat(guest.step(tenant.kv, IDS, PROMPT_TOKENS, 0)).isZero();
    // The one that was sampled is paid for, and only once.
    for (int i = 0; i < 5; i++) {
      assertThat(guest.step(tenant.kv, HostCaller.OUT, 1, HostCaller.NONE)).isZero();
      assertCounts(tenant, PROMPT_TOKENS + i, 1);
    }
    for (int i = 0; i < 5; i++) {
      assertThat(guest.step(tenant.kv, IDS + 4 * i, 1, HostCaller.NONE)).isZero();
    }
    assertCounts(tenant, PROMPT_TOKENS + 4 + 5, 1);
  }

  @Test
  void noWayOfFeedingGetsPastThePromptQuota() {
    CallerRealms.Tenant tenant =
        realms.tenant("a", ResourceLimits.builder().promptTokensPerMinute(20).build());
    HostCaller guest = tenant.guest;
    assertThat(guest.step(tenant.kv, IDS, PROMPT_TOKENS, 0)).isZero();
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 200; i++) {
                guest.step(tenant.kv, IDS + 4 * (i % PROMPT_TOKENS), 1, HostCaller.NONE);
              }
            })
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("PROMPT_TOKEN_RATE"));
  }

  @Test
  void aTokenThatTheGuestChoseItselfIsAPromptsToken() {
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    assertThat(tenant.guest.step(tenant.kv, IDS, PROMPT_TOKENS, HostCaller.LOGITS)).isZero();
    assertThat(tenant.guest.step(tenant.kv, IDS, 1, HostCaller.LOGITS)).isZero();
    assertCounts(tenant, PROMPT_TOKENS + 1, 2);
    // Behind the sampled token, another: one of the two.
    tenant.guest.poke(HostCaller.OUT + 4, tenant.guest.peek(IDS));
    assertThat(tenant.guest.step(tenant.kv, HostCaller.OUT, 2, 0)).isZero();
    assertCounts(tenant, PROMPT_TOKENS + 2, 3);
  }

  @Test
  void aForkFeedsItsParentsTokenAsAPrompt() {
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    HostCaller guest = tenant.guest;
    assertThat(guest.step(tenant.kv, IDS, PROMPT_TOKENS, 0)).isZero();
    int token = guest.peek(HostCaller.OUT);
    guest.poke(600, token);
    for (int i = 1; i <= 3; i++) {
      int fork = guest.call("kv_fork", tenant.kv);
      assertThat(guest.step(fork, 600, 1, HostCaller.NONE)).isZero();
      assertThat(guest.call("kv_free", fork)).isZero();
      assertCounts(tenant, PROMPT_TOKENS + i, 1);
    }
    assertThat(guest.step(tenant.kv, 600, 1, 0)).isZero();
    assertCounts(tenant, PROMPT_TOKENS + 3, 2);
  }

  @Test
  void everyOutputIsNewAndTheOneAtTheEndIsFedForNothing() {
    CallerRealms.Tenant tenant = realms.tenant("a", FREE);
    HostCaller guest = tenant.guest;
    assertThat(guest.step(tenant.kv, IDS, PROMPT_TOKENS, HostCaller.ALL)).isZero();
    assertCounts(tenant, PROMPT_TOKENS, PROMPT_TOKENS);
    // As speculative decoding does it: five are kept, and the model's own token follows them.
    guest.poke(600, guest.peek(HostCaller.OUT + 4 * 4));
    assertThat(guest.call("kv_truncate", tenant.kv, 5)).isZero();
    assertThat(guest.step(tenant.kv, 600, 1, HostCaller.NONE)).isZero();
    assertCounts(tenant, PROMPT_TOKENS, PROMPT_TOKENS);
    assertThat(guest.call("kv_truncate", tenant.kv, 5)).isZero();
    assertThat(guest.step(tenant.kv, 600, 1, HostCaller.NONE)).isZero();
    assertCounts(tenant, PROMPT_TOKENS + 1, PROMPT_TOKENS);
  }

  @Test
  void aStepThatNobodyWaitsForIsCountedAsWell() throws Exception {
    CallerRealms.Tenant tenant =
        realms.tenant("a", ResourceLimits.builder().newTokensPerMinute(5).build());
    tenant.guest.request(0, tenant.kv, IDS, PROMPT_TOKENS, HostCaller.LOGITS);
    assertThat(tenant.guest.call("step_submit", HostCaller.REQUEST, 1)).isPositive();
    realms.awaitIdle();
    assertCounts(tenant, PROMPT_TOKENS, 1);
    assertThat(tenant.guest.call("logits_read", tenant.kv, 0, 65_536, 16)).isEqualTo(Errno.EBUSY);
    tenant.session.close();
    assertCounts(tenant, PROMPT_TOKENS, 1);
  }

  @Test
  void aRowThatFailsBesideOneThatDoesNotGivesBackOnlyItsOwnToken() {
    CallerRealms.Tenant tenant =
        realms.tenant("a", ResourceLimits.builder().newTokensPerMinute(5).build());
    HostCaller guest = tenant.guest;
    guest.request(0, tenant.kv, IDS, PROMPT_TOKENS, 0);
    guest.poke(HostCaller.REQUEST + 24, 200_000);
    guest.request(1, guest.call("kv_new", tenant.model), IDS, PROMPT_TOKENS, 0);
    assertThatThrownBy(() -> guest.call("step", HostCaller.REQUEST, 2))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("SAMPLING_FAILED"));
    assertCounts(tenant, 2 * PROMPT_TOKENS, 1);
    assertThat(tenant.usage().steps()).isEqualTo(2);
    assertThat(tenant.realm.quota().rates().newTokensLeft()).isGreaterThanOrEqualTo(4);
  }

  @Test
  void aStepThatTheEngineRefusesIsNotCounted() {
    CallerRealms.Tenant tenant =
        realms.tenant("a", ResourceLimits.builder().maxQueuedSteps(1).build());
    HostCaller guest = tenant.guest;
    guest.request(0, tenant.kv, IDS, PROMPT_TOKENS, 0);
    guest.request(1, guest.call("kv_new", tenant.model), IDS, PROMPT_TOKENS, 0);
    assertThatThrownBy(() -> guest.call("step", HostCaller.REQUEST, 2))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("QUEUE_FULL"));
    assertCounts(tenant, 0, 0);
    assertThat(tenant.usage().steps()).isZero();
  }

  @Test
  void theCallerLearnsWhichLimitAGuestMet() {
    GuestLimits quiet =
        new GuestLimits(
            1 << 20, Duration.ofMinutes(1), Duration.ofMinutes(1), 1 << 20, 4, 1 << 18, 26);
    CallerRealms.Tenant tenant =
        realms.tenant("a", ResourceLimits.builder().guest(quiet).storeBytes(100).build());
    HostCaller guest = tenant.guest;
    assertRefused(() -> guest.call("kvs_put", 0, 4, 8, 1000), "STORE_LIMIT");
    assertRefused(() -> guest.call("kvs_put", 0, 4, 8, 90), "STORE_LIMIT");
    assertThat(guest.call("kvs_put", 0, 4, 8, 8)).isZero();
    assertThat(guest.call("kv_new", tenant.model)).isPositive();
    assertThat(guest.call("kv_new", tenant.model)).isPositive();
    assertRefused(() -> guest.call("kv_new", tenant.model), "HANDLE_LIMIT");
    assertThat(guest.call("log", 1, 0, 11)).isZero();
    Call noisy = new Call(List.of(), text -> {}, tenant.realm);
    assertThat(noisy.log(1, new byte[11], 11)).isTrue();
    assertThat(noisy.log(1, new byte[1], 1)).isFalse();
    assertThat(noisy.refusal(Errno.EDQUOT))
        .isInstanceOfSatisfying(
            LimitException.class,
            e -> {
              assertThat(e.code()).isEqualTo("LOG_LIMIT");
              assertThat(e.retryAfter()).isZero();
            });
    // What was refused before is not hidden by a log of it.
    noisy.exceeded("STORE_LIMIT", "for once");
    assertThat(noisy.log(1, new byte[1], 1)).isFalse();
    assertThat(noisy.refusal(Errno.EDQUOT).code()).isEqualTo("STORE_LIMIT");
  }

  private static void assertRefused(ThrowingCallable call, String code) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(LimitException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void answersSideBySideCountTheirSharedPromptOnce() throws IOException {
    TenantId a = new TenantId("a");
    try (MultiRealmManager manager = new MultiRealmManager(sample(), DefaultGuest.bytes())) {
      manager.create(a, RealmPolicy.of(FREE).withFallback(false));
      manager.deploy(a, ExampleGuest.bytes("best_of_n"));
      manager.generate(
          a,
          "sample",
          "What is the capital of France?",
          "{\"n\":3,\"temperature\":0,\"max_tokens\":5}",
          GuestOutput.discard());
      Usage usage = manager.status(a).usage();
      // All but the last token once, then the last in each fork; five new ones each.
      assertThat(usage.promptTokens()).isEqualTo(PROMPT_TOKENS - 1 + 3);
      assertThat(usage.newTokens()).isEqualTo(3 * 5);
      assertThat(usage.steps()).isEqualTo(1 + 3 * 5);
    }
  }
}
