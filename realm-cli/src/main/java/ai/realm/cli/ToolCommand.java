package ai.realm.cli;

import ai.realm.error.RealmException;
import ai.realm.runtime.GuestTools;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;

/// A guest's tool that is a command for the shell: the question on its standard input, the answer from its
/// standard output without the line ends at its end. The guest says what is asked, never what is run.
final class ToolCommand implements UnaryOperator<String> {
  /// How long a shell may take to begin its command.
  private static final Duration STARTING = Duration.ofMillis(100);

  private static final Duration DEADLINE = Duration.ofSeconds(30);

  /// As much as a guest may be answered.
  private static final int MOST_BYTES = 1 << 20;

  private final String name;
  private final String command;
  private final Duration deadline;

  /// `TOOL_FAILED`: a command that gave no answer.
  static final class ToolException extends RealmException {
    private static final long serialVersionUID = 1L;

    ToolException(String message) {
      super("TOOL_FAILED", message);
    }
  }

  ToolCommand(String name, String command, Duration deadline) {
    this.name = name;
    this.command = command;
    this.deadline = deadline;
  }

  /// Commands by the names that guests call them by.
  ///
  /// @param options `NAME=COMMAND` each
  /// @throws UsageException naming the one that is none, or whose name came before
  static GuestTools parse(List<String> options) {
    Map<String, UnaryOperator<String>> tools = new HashMap<>();
    for (String option : options) {
      int end = option.indexOf('=');
      if (end < 1 || end + 1 == option.length()) {
        throw new UsageException("--tool: expected NAME=COMMAND, found '%s'".formatted(option));
      }
      String name = option.substring(0, end);
      ToolCommand tool = new ToolCommand(name, option.substring(end + 1), DEADLINE);
      if (tools.put(name, tool) != null) {
        throw new UsageException(
            "--tool: expected one command for %s, found another".formatted(name));
      }
    }
    return new GuestTools(tools);
  }

  @Override
  public String apply(String question) {
    long until = System.nanoTime() + deadline.toNanos();
    Process process = start();
    try {
      FutureTask<byte[]> answer =
          new FutureTask<>(() -> process.getInputStream().readNBytes(MOST_BYTES + 1));
      Thread.ofVirtual().start(answer);
      Thread.ofVirtual().start(() -> ask(process, question));
      byte[] bytes = answer.get(until - System.nanoTime(), TimeUnit.NANOSECONDS);
      if (bytes.length > MOST_BYTES) {
        throw failed("expected at most %d bytes, found more".formatted(MOST_BYTES));
      }
      if (!process.waitFor(until - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        throw late();
      }
      if (process.exitValue() != 0) {
        throw failed("expected exit code 0, found " + process.exitValue());
      }
      return new String(bytes, 0, withoutLineEnds(bytes), StandardCharsets.UTF_8);
    } catch (TimeoutException e) {
      throw late();
    } catch (ExecutionException e) {
      throw failed(String.valueOf(e.getCause()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failed("interrupted");
    } finally {
      end(process);
    }
  }

  /// Ends a shell with its commands. One that has just been started is given a moment to begin its command: that
  /// would be nobody's child afterwards, and go on.
  private static void end(Process process) {
    long begun = System.nanoTime() + STARTING.toNanos();
    while (process.isAlive()
        && process.descendants().findAny().isEmpty()
        && System.nanoTime() - begun < 0) {
      Thread.onSpinWait();
    }
    // The shell first, or it tells how its commands ended.
    List<ProcessHandle> commands = process.descendants().toList();
    process.destroyForcibly();
    commands.forEach(ProcessHandle::destroyForcibly);
  }

  private static int withoutLineEnds(byte[] bytes) {
    int end = bytes.length;
    while (end > 0 && (bytes[end - 1] == '\n' || bytes[end - 1] == '\r')) {
      end--;
    }
    return end;
  }

  private Process start() {
    boolean windows =
        System.getProperty("os.name", "").toLowerCase(Locale.ROOT).startsWith("windows");
    List<String> shell = windows ? List.of("cmd.exe", "/c") : List.of("sh", "-c");
    try {
      return new ProcessBuilder(shell.get(0), shell.get(1), command)
          .redirectError(ProcessBuilder.Redirect.INHERIT)
          .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void ask(Process process, String question) {
    try (OutputStream in = process.getOutputStream()) {
      in.write(question.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      // A command need not read what it is asked.
    }
  }

  private ToolException late() {
    return failed("expected an answer within %d ms, found none".formatted(deadline.toMillis()));
  }

  private ToolException failed(String reason) {
    return new ToolException("tool %s: %s".formatted(name, reason));
  }
}
