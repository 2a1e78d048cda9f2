package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import ai.realm.wasm.DefaultGuest;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// F10 and F12: many threads at a limit together get what one would, and tenants that are not there leave
/// nothing behind.
@Timeout(120)
final class QuotaRaceTest {
  private static final int THREADS = 64;
  private static final int TRIES = 200;
  private static final long LIMIT = 1_000;

  /// How often `take` says yes when 64 threads ask 200 times each.
  private static long granted(BooleanSupplier take) throws Exception {
    long granted = 0;
    try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
      List<Future<Integer>> results = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        results.add(
            threads.submit(() -> {
              int mine = 0;
              for (int k = 0; k < TRIES; k++) {
                mine += take.getAsBoolean() ? 1 : 0;
              }
              return mine;
            }));
      }
      for (Future<Integer> result : results) {
        granted += result.get(60, TimeUnit.SECONDS);
      }
    }
    return granted;
  }

  private static Quota quota(ResourceLimits limits) {
    // Time stands still: what is used up stays used up.
    return new Quota(new TenantId("a"), limits, new UsageMeter(), () -> 0);
  }

  @Test
  void tokensOfManyThreadsAreExactlyTheLimit() throws Exception {
    Quota quota = quota(ResourceLimits.builder().newTokensPerMinute(LIMIT).build());
    assertThat(granted(() -> quota.rates().takeTokens(0, 1) == null)).isEqualTo(LIMIT);
  }

  @Test
  void requestsOfManyThreadsAreExactlyTheLimit() throws Exception {
    Quota quota = quota(ResourceLimits.builder().requestsPerSecond(LIMIT).build());
    long granted =
        granted(() -> {
          try {
            quota.end(quota.begin());
            return true;
          } catch (LimitException e) {
            return false;
          }
        });
    assertThat(granted).isEqualTo(LIMIT);
    assertThat(quota.running()).isZero();
  }

  @Test
  void hostCallsOfManyThreadsAreExactlyTheLimitAlsoAfterARest() throws Exception {
    AtomicLong clock = new AtomicLong();
    Quota quota =
        new Quota(
            new TenantId("a"),
            ResourceLimits.builder().hostCallsPerSecond(LIMIT).build(),
            new UsageMeter(),
            clock::get);
    for (int round = 0; round < 3; round++) {
      long granted =
          granted(() -> {
            try {
              quota.rates().hostCall();
              return true;
            } catch (GuestTrapException e) {
              return false;
            }
          });
      assertThat(granted).isEqualTo(LIMIT);
      clock.addAndGet(TimeUnit.SECONDS.toNanos(5));
    }
  }

  @Test
  void tokensThatAreNotUsedAreGivenBack() {
    Quota quota =
        quota(ResourceLimits.builder().promptTokensPerMinute(10).newTokensPerMinute(1).build());
    assertThat(quota.rates().takeTokens(0, 1)).isNull();
    for (int i = 0; i < 5; i++) {
      // Refused for the new token: the prompt's ten are there for the next.
      LimitException refused = quota.rates().takeTokens(10, 1);
      assertThat(refused).isNotNull();
      assertThat(refused.code()).isEqualTo("NEW_TOKEN_RATE");
    }
    assertThat(quota.rates().takeTokens(10, 0)).isNull();
    quota.rates().giveTokensBack(10, 1);
    assertThat(quota.rates().takeTokens(10, 1)).isNull();
    assertThat(quota.rates().takeTokens(1, 0)).isNotNull();
  }

  @Test
  void cpuTimeBeyondTheLimitIsADebtThatNoCallBeginsIn() {
    AtomicLong clock = new AtomicLong();
    UsageMeter meter = new UsageMeter();
    ResourceLimits limits =
        ResourceLimits.builder().cpuMillisPerSecond(100).requestsPerSecond(1).build();
    Quota quota = new Quota(new TenantId("a"), limits, meter, clock::get);
    assertThat(quota.rates().chargeCpu(TimeUnit.MILLISECONDS.toNanos(100))).isTrue();
    assertThat(quota.rates().chargeCpu(TimeUnit.MILLISECONDS.toNanos(50))).isFalse();
    for (int i = 0; i < 3; i++) {
      assertThatThrownBy(quota::begin)
          .isInstanceOfSatisfying(
              LimitException.class,
              e -> {
                assertThat(e.code()).isEqualTo("CPU_RATE");
                assertThat(e.retryAfter()).isEqualTo(Duration.ofMillis(500));
              });
    }
    assertThat(quota.running()).isZero();
    clock.addAndGet(TimeUnit.MILLISECONDS.toNanos(499));
    assertThatThrownBy(quota::begin).isInstanceOf(LimitException.class);
    clock.addAndGet(TimeUnit.MILLISECONDS.toNanos(1));
    // Paid off, and the calls that were refused took no request.
    quota.begin();
    assertThat(meter.usage().refused()).isEqualTo(4);
    assertThat(meter.usage().calls()).isEqualTo(1);
    assertThat(meter.usage().cpuNanos()).isEqualTo(TimeUnit.MILLISECONDS.toNanos(150));
  }

  @Test
  void whatIsChargedAtTheEndOfACallIsADebtBeforeTheNext() {
    UsageMeter meter = new UsageMeter();
    ResourceLimits limits = ResourceLimits.builder().cpuMillisPerSecond(100).build();
    Quota quota = new Quota(new TenantId("a"), limits, meter, () -> 0);
    quota.begin();
    quota.chargeCpuAtEnd(TimeUnit.MILLISECONDS.toNanos(150));
    quota.chargeCpuAtEnd(-1);
    assertThat(quota.rates().chargeCpu(1)).as("the call itself is within its limit").isTrue();
    quota.end(0);
    assertThatThrownBy(quota::begin)
        .isInstanceOfSatisfying(
            LimitException.class, e -> assertThat(e.code()).isEqualTo("CPU_RATE"));
    assertThat(meter.usage().cpuNanos()).isEqualTo(TimeUnit.MILLISECONDS.toNanos(150) + 1);
  }

  @Test
  void whatNeverFitsHasNoTimeToRetry() {
    Quota quota = quota(ResourceLimits.builder().promptTokensPerMinute(10).build());
    LimitException never = quota.rates().takeTokens(11, 0);
    assertThat(never).isNotNull();
    assertThat(never.retryAfter()).isZero();
    assertThat(quota.rates().takeTokens(10, 0)).isNull();
    LimitException later = quota.rates().takeTokens(1, 0);
    assertThat(later).isNotNull();
    assertThat(later.retryAfter()).isEqualTo(Duration.ofSeconds(6));
  }

  @Test
  void memoryOfManyThreadsNeverExceedsTheBudget() throws Exception {
    MemoryBudget budget = new MemoryBudget(LIMIT);
    assertThat(granted(() -> budget.take(1))).isEqualTo(LIMIT);
    assertThat(
            granted(() -> {
              boolean taken = budget.take(7);
              if (taken) {
                budget.give(7);
              }
              return taken;
            }))
        .isZero();
    budget.give(LIMIT);
    assertThat(budget.used()).isZero();
  }

  @Test
  void tenantsWithoutARealmLeaveNothingBehind() {
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        MultiRealmManager manager =
            new MultiRealmManager(
                RuntimeConfig.of("sample", SampleModel.path(), backend), DefaultGuest.bytes())) {
      askForNobody(manager, 0, 10_000);
      long before = liveBytes();
      askForNobody(manager, 10_000, 1_010_000);
      assertThat(manager.status()).isEmpty();
      // Four bytes for each would be more.
      assertThat(liveBytes() - before).as("bytes").isLessThan(4_000_000);
    }
  }

  private static void askForNobody(MultiRealmManager manager, int from, int to) {
    for (int i = from; i < to; i++) {
      TenantId nobody = new TenantId("nobody-" + i);
      assertThatThrownBy(() -> manager.generate(nobody, "sample", "x", "{}", GuestOutput.discard()))
          .isInstanceOf(LimitException.class);
    }
  }

  private static long liveBytes() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }

  /// Of calls that take eight seconds, two at once, one ends every four.
  @Test
  void oneCallTooManyIsToldWhenOneOfTheOthersEnds() {
    AtomicLong clock = new AtomicLong(4711);
    ResourceLimits limits = ResourceLimits.builder().maxConcurrentCalls(2).build();
    Quota quota = new Quota(new TenantId("a"), limits, new UsageMeter(), clock::get);
    long one = quota.begin();
    long other = quota.begin();
    assertTooMany(quota, Duration.ZERO);
    clock.addAndGet(TimeUnit.SECONDS.toNanos(8));
    quota.end(one);
    one = quota.begin();
    assertTooMany(quota, Duration.ofSeconds(4));
    clock.addAndGet(TimeUnit.SECONDS.toNanos(8));
    quota.end(other);
    quota.begin();
    // The other took sixteen, and counts an eighth.
    assertTooMany(quota, Duration.ofMillis(4_500));
    quota.end(one);
  }

  private static void assertTooMany(Quota quota, Duration retryAfter) {
    assertThatThrownBy(quota::begin)
        .isInstanceOfSatisfying(
            LimitException.class,
            e -> {
              assertThat(e.code()).isEqualTo("TOO_MANY_CALLS");
              assertThat(e.retryAfter()).isEqualTo(retryAfter);
            });
  }
}
