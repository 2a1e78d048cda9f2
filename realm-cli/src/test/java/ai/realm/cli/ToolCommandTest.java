package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Commands that answer guests.
@Timeout(60)
final class ToolCommandTest {
  private static final Duration GENEROUS = Duration.ofSeconds(50);

  private static ToolCommand tool(String command) {
    return new ToolCommand("t", command, GENEROUS);
  }

  @Test
  void questionIsInputAndNeverPartOfTheCommand() {
    assertThat(tool("cat").apply("$(echo no) `x` ä\n")).isEqualTo("$(echo no) `x` ä");
    assertThat(tool("echo a; echo b; echo").apply("is not read")).isEqualTo("a\nb");
    assertThat(tool("wc -c").apply("x".repeat(300_000)).trim()).isEqualTo("300000");
  }

  @Test
  void commandsWithoutAnAnswerAreFailures() {
    assertThatThrownBy(() -> tool("exit 3").apply("?"))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("TOOL_FAILED"))
        .hasMessage("tool t: expected exit code 0, found 3");
    assertThatThrownBy(() -> tool("yes").apply("?"))
        .hasMessageContaining("expected at most 1048576 bytes");
    assertThatThrownBy(() -> new ToolCommand("t", "sleep 300", Duration.ofMillis(300)).apply("?"))
        .hasMessageContaining("expected an answer within 300 ms");
  }

  @Test
  void interruptEndsTheCommand() throws Exception {
    String seconds = String.valueOf(100_000 + ProcessHandle.current().pid());
    for (int i = 0; i < 10; i++) {
      Thread guest =
          new Thread(
              () -> assertThatThrownBy(() -> tool("sleep " + seconds).apply("?")).isNotNull());
      guest.start();
      guest.interrupt();
      guest.join(TimeUnit.SECONDS.toMillis(40));
      assertThat(guest.isAlive()).isFalse();
    }
    long giveUp = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (isAnyAlive(seconds) && System.nanoTime() - giveUp < 0) {
      Thread.sleep(10);
    }
    assertThat(isAnyAlive(seconds)).as("a command goes on").isFalse();
  }

  private static boolean isAnyAlive(String argument) {
    return ProcessHandle.allProcesses()
        .anyMatch(p -> List.of(p.info().arguments().orElse(new String[0])).contains(argument));
  }
}
