package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What no limit can be is said where it is set, not where a call meets it.
final class GuestLimitsTest {
  private static final RealmPolicy POLICY =
      RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));

  static List<Function<Duration, Object>> durations() {
    return List.of(
        GuestLimits.DEFAULT::withDeadline,
        GuestLimits.DEFAULT::withCpuTime,
        longest -> POLICY.withBreaker(3, longest));
  }

  @ParameterizedTest
  @MethodSource("durations")
  void durationsFitIntoNanoseconds(Function<Duration, Object> set) {
    for (Duration wrong :
        List.of(
            Duration.ZERO,
            Duration.ofMillis(-1),
            GuestLimits.LONGEST.plusNanos(1),
            ChronoUnit.FOREVER.getDuration())) {
      assertThatThrownBy(() -> set.apply(wrong))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(wrong.toString())
          .hasMessageContaining("100 years at most");
    }
    assertThat(set.apply(GuestLimits.LONGEST)).isNotNull();
  }

  @Test
  void theLongestDeadlineLiesAhead() {
    long now = System.nanoTime();
    assertThat(Math.addExact(now, GuestLimits.LONGEST.toNanos())).isGreaterThan(now);
  }

  @Test
  void resourceLimitsAndTenantsSayWhatIsWrong() {
    assertThatThrownBy(() -> ResourceLimits.builder().newTokensPerMinute(0).build())
        .hasMessage("newTokensPerMinute: expected at least 1, found 0");
    assertThatThrownBy(() -> ResourceLimits.builder().storeBytes(-1).build())
        .hasMessage("storeBytes: expected at least 0, found -1");
    assertThatThrownBy(() -> ResourceLimits.builder().weight(Double.NaN).build())
        .hasMessage("weight: expected above 0, found NaN");
    assertThatThrownBy(() -> new TenantId("a/b")).hasMessageEndingWith("found U+002F at 1");
    assertThatThrownBy(() -> new TenantId("-b")).hasMessageEndingWith("found U+002D at 0");
    assertThatThrownBy(() -> new TenantId("")).hasMessageEndingWith("found 0 characters");
    assertThatThrownBy(() -> new TenantId("x".repeat(65)))
        .hasMessageEndingWith("found 65 characters");
  }

  @Test
  void negativeLogBytesAreNamed() {
    assertThatThrownBy(() -> GuestLimits.DEFAULT.withLogBytes(-7))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("log bytes")
        .hasMessageContaining("-7");
  }
}
