package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Buckets that others go on from.
@Timeout(120)
final class TokenBucketTest {
  private final AtomicLong clock = new AtomicLong(17);

  private TokenBucket bucket(long capacity) {
    return new TokenBucket(capacity, TimeUnit.SECONDS, clock::get);
  }

  private void after(long millis) {
    clock.addAndGet(TimeUnit.MILLISECONDS.toNanos(millis));
  }

  @Test
  void whatWasUsedIsUsedOfALargerOne() {
    TokenBucket before = bucket(100);
    before.take(80);
    TokenBucket now = before.withCapacity(1000);
    assertThat(now.left()).isEqualTo(920);
    after(80);
    assertThat(now.left()).isEqualTo(1000);
  }

  @Test
  void whatWasUsedIsUsedOfASmallerOneAndIsNoDebt() {
    TokenBucket before = bucket(1000);
    before.take(40);
    TokenBucket now = before.withCapacity(100);
    assertThat(now.left()).isEqualTo(60);
    TokenBucket much = bucket(1000);
    much.take(900);
    TokenBucket less = much.withCapacity(100);
    assertThat(less.left()).isZero();
    assertThat(less.debtNanos()).isZero();
    assertThat(less.take(10)).isEqualTo(TimeUnit.MILLISECONDS.toNanos(100));
    after(100);
    assertThat(less.take(10)).isZero();
  }

  @Test
  void aDebtStaysOneUnlessTheLargerOneHasIt() {
    TokenBucket before = bucket(1000);
    before.charge(1050);
    assertThat(before.withCapacity(100).debtNanos()).isEqualTo(TimeUnit.MILLISECONDS.toNanos(500));
    TokenBucket other = bucket(100);
    other.charge(150);
    TokenBucket more = other.withCapacity(1000);
    assertThat(more.debtNanos()).isZero();
    assertThat(more.left()).isEqualTo(850);
  }

  @Test
  void whoseRateWasLoweredHasItStillAndUsesTheNewOne() {
    TokenBucket before = bucket(1000);
    before.take(100);
    TokenBucket now = before.withCapacity(300);
    assertThat(before.take(500)).isZero();
    assertThat(before.left()).isEqualTo(400);
    // Of its 200 it gave what it had, and nobody owes the rest.
    assertThat(now.left()).isZero();
    assertThat(now.debtNanos()).isZero();
    assertThat(before.take(500)).isPositive();
    before.giveBack(500);
    assertThat(before.left()).isEqualTo(900);
    assertThat(now.left()).isZero();
  }

  @Test
  void whoseRateWasRaisedHasTheNewOne() {
    TokenBucket before = bucket(10);
    before.take(10);
    TokenBucket now = before.withCapacity(1000);
    assertThat(before.take(600)).isZero();
    assertThat(now.left()).isEqualTo(390);
    assertThat(before.left()).isEqualTo(390);
    before.giveBack(10);
    assertThat(now.left()).isEqualTo(400);
    before.charge(500);
    assertThat(now.debtNanos()).isEqualTo(TimeUnit.MILLISECONDS.toNanos(100));
  }

  @Test
  void whatIsNotBoundedIsNotCounted() {
    TokenBucket free = bucket(Long.MAX_VALUE);
    free.take(1_000_000);
    free.charge(1_000_000);
    TokenBucket now = free.withCapacity(100);
    assertThat(now.left()).isEqualTo(100);
    assertThat(free.take(70)).isZero();
    assertThat(now.left()).isEqualTo(30);
    free.charge(70);
    assertThat(now.left()).isZero();
    TokenBucket again = now.withCapacity(Long.MAX_VALUE);
    assertThat(now.take(1_000)).isZero();
    assertThat(again.left()).isEqualTo(Long.MAX_VALUE);
  }

  /// A thread may be suspended between finding the newest bucket and taking of it, while limits change a
  /// thousand times: what it took reaches the last one, on the small stack that a guest has.
  @Test
  void whatIsTakenReachesTheNewestHoweverManyFollowedMeanwhile() throws Exception {
    AtomicReference<TokenBucket> newest = new AtomicReference<>();
    AtomicBoolean armed = new AtomicBoolean();
    // The clock is read while units are taken of the first bucket: there the others follow.
    TokenBucket first =
        new TokenBucket(
            100,
            TimeUnit.SECONDS,
            () -> {
              if (armed.compareAndSet(true, false)) {
                for (int n = 0; n < 20_000; n++) {
                  newest.set(newest.get().withCapacity(50));
                }
              }
              return clock.get();
            });
    newest.set(first.withCapacity(50));
    armed.set(true);
    FutureTask<Long> take = new FutureTask<>(() -> first.take(30));
    new Thread(null, take, "small stack", 128 << 10).start();
    assertThat(take.get(60, TimeUnit.SECONDS)).isZero();
    assertThat(newest.get().left()).isEqualTo(20);
  }

  /// While others take, buckets follow one another: not a unit more than the last one allows.
  @Test
  void manyThreadsGetExactlyTheLastLimit() throws Exception {
    for (int round = 0; round < 20; round++) {
      AtomicReference<TokenBucket> present = new AtomicReference<>(bucket(1_000));
      AtomicLong granted = new AtomicLong();
      try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
        List<Future<?>> all = new ArrayList<>();
        for (int t = 0; t < 7; t++) {
          all.add(
              threads.submit(() -> {
                for (int k = 0; k < 2_000; k++) {
                  granted.addAndGet(present.get().take(1) == 0 ? 1 : 0);
                }
              }));
        }
        all.add(
            threads.submit(() -> {
              for (int limit = 1_001; limit <= 1_400; limit++) {
                present.set(present.get().withCapacity(limit));
              }
            }));
        for (Future<?> one : all) {
          one.get(60, TimeUnit.SECONDS);
        }
      }
      while (present.get().take(1) == 0) {
        granted.incrementAndGet();
      }
      assertThat(granted).hasValue(1_400);
    }
  }
}
