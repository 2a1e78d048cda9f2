package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What is asked for is used at least, whatever has compiled the method that uses it by now.
@Timeout(60)
final class HostStackTest {
  private static final int STEP = 4096;

  /// The most that a thread with that stack has left, in bytes.
  private static int most(int stackBytes) throws Exception {
    FutureTask<Integer> search =
        new FutureTask<>(() -> {
          int fits = 0;
          int not = 2 * stackBytes;
          while (not - fits > STEP) {
            int bytes = fits + not >>> 1;
            try {
              HostStack.require(bytes);
              fits = bytes;
            } catch (StackOverflowError e) {
              not = bytes;
            }
          }
          return fits;
        });
    new Thread(null, search, "stack of " + stackBytes, stackBytes).start();
    return search.get(30, TimeUnit.SECONDS);
  }

  /// Each stack is larger than those before: the C library gives the stack of a thread that ended to another
  /// that asks for less.
  @Test
  void aThreadHasNoMoreLeftThanItsStack() throws Exception {
    for (int bytes = 24 << 20; bytes <= 72 << 20; bytes += 8 << 20) {
      assertThat(most(bytes)).isBetween(bytes / 10 * 9, bytes);
    }
  }
}
