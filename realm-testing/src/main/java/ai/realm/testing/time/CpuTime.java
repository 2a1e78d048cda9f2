package ai.realm.testing.time;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/// Bounds on what work costs, by the CPU time of the thread that does it: how long it takes is for the machine to
/// say, which may have other work.
public final class CpuTime {
  private CpuTime() {}

  /// Does that on this thread and fails where it used more CPU time.
  public static void assertWithin(Duration most, ThrowingCallable work) {
    assertWithin("the work", most, work);
  }

  /// The same for work of that name.
  public static void assertWithin(String what, Duration most, ThrowingCallable work) {
    long before = nanos();
    try {
      work.call();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(what + " failed", e);
    }
    assertThat(Duration.ofNanos(nanos() - before))
        .as("CPU time of %s", what)
        .isLessThanOrEqualTo(most);
  }

  private static long nanos() {
    long nanos = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    assertThat(nanos).as("this JVM tells a thread's CPU time").isNotNegative();
    return nanos;
  }
}
