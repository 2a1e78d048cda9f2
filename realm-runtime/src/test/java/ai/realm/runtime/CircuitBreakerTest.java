package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Which calls a breaker lets through, and whose ends it counts.
@Timeout(60)
final class CircuitBreakerTest {
  private final AtomicLong clock = new AtomicLong();
  private final CircuitBreaker breaker = new CircuitBreaker(2, Duration.ofSeconds(30), clock::get);

  private CircuitBreaker.Pass pass() {
    return Objects.requireNonNull(breaker.tryPass(), "the breaker is open");
  }

  private void open() {
    pass().end(GuestVerdict.FAILED);
    pass().end(GuestVerdict.FAILED);
    assertThat(breaker.tryPass()).isNull();
  }

  private void wait(int seconds) {
    clock.addAndGet(TimeUnit.SECONDS.toNanos(seconds));
  }

  @Test
  void whatSaysNothingNeitherCountsNorForgets() {
    pass().end(GuestVerdict.FAILED);
    pass().end(GuestVerdict.NEITHER);
    assertThat(breaker.isOpen()).isFalse();
    pass().end(GuestVerdict.FAILED);
    assertThat(breaker.isOpen()).isTrue();
  }

  @Test
  void successForgetsTheFailuresBefore() {
    pass().end(GuestVerdict.FAILED);
    pass().end(GuestVerdict.WORKS);
    pass().end(GuestVerdict.FAILED);
    assertThat(breaker.isOpen()).isFalse();
  }

  @Test
  void onlyOneOfRacingCallersProbes() throws Exception {
    for (int round = 0; round < 50; round++) {
      CircuitBreaker raced = new CircuitBreaker(1, Duration.ofSeconds(30), clock::get);
      Objects.requireNonNull(raced.tryPass()).end(GuestVerdict.FAILED);
      wait(31);
      CountDownLatch start = new CountDownLatch(1);
      try (ExecutorService callers = Executors.newFixedThreadPool(8)) {
        List<Future<Boolean>> passed = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
          passed.add(
              callers.submit(() -> {
                start.await();
                return raced.tryPass() != null;
              }));
        }
        start.countDown();
        int probes = 0;
        for (Future<Boolean> one : passed) {
          probes += one.get(30, TimeUnit.SECONDS) ? 1 : 0;
        }
        assertThat(probes).isEqualTo(1);
      }
    }
  }

  @Test
  void callsFromBeforeItOpenedSayNothingToTheProbe() {
    CircuitBreaker.Pass slowSuccess = pass();
    CircuitBreaker.Pass slowFailure = pass();
    CircuitBreaker.Pass given = pass();
    open();
    slowSuccess.end(GuestVerdict.WORKS);
    assertThat(breaker.tryPass()).as("open for its whole time").isNull();
    wait(31);
    CircuitBreaker.Pass probe = pass();
    given.end(GuestVerdict.NEITHER);
    assertThat(breaker.tryPass()).as("one probe at a time").isNull();
    slowFailure.end(GuestVerdict.FAILED);
    probe.end(GuestVerdict.WORKS);
    assertThat(breaker.isOpen()).isFalse();
  }

  @Test
  void probeThatSaysNothingLetsTheNextProbeAtOnce() {
    open();
    wait(31);
    pass().end(GuestVerdict.NEITHER);
    CircuitBreaker.Pass next = pass();
    assertThat(breaker.tryPass()).isNull();
    next.end(GuestVerdict.FAILED);
    assertThat(breaker.tryPass()).isNull();
    assertThat(breaker.retryAfterNanos()).isEqualTo(TimeUnit.SECONDS.toNanos(30));
  }
}
