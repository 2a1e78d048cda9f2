package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import org.jline.terminal.Terminal;
import org.jline.terminal.impl.ExternalTerminal;
import org.junit.jupiter.api.Test;

/// Drives the line editor with the bytes that a terminal sends.
final class TerminalLinesTest {
  private static final String UP = "\u001bOA";
  private static final String LEFT = "\u001bOD";
  private static final String CONTROL_D = "\u0004";

  private static Terminal terminal(String keys) throws Exception {
    return new ExternalTerminal(
        "test",
        "xterm",
        new ByteArrayInputStream(keys.getBytes(StandardCharsets.UTF_8)),
        new ByteArrayOutputStream(),
        StandardCharsets.UTF_8);
  }

  @Test
  void arrowUpBringsBackTheLastLine() throws Exception {
    try (TerminalLines lines = new TerminalLines(terminal("hello\r" + UP + "!\r"), () -> {})) {
      assertThat(lines.read("> ")).isEqualTo("hello");
      assertThat(lines.read("> ")).isEqualTo("hello!");
    }
  }

  @Test
  void lineIsEditedBeforeItIsRead() throws Exception {
    try (TerminalLines lines = new TerminalLines(terminal("helo" + LEFT + "l\r"), () -> {})) {
      assertThat(lines.read("> ")).isEqualTo("hello");
    }
  }

  @Test
  void controlDOnAnEmptyLineEndsTheInput() throws Exception {
    try (TerminalLines lines = new TerminalLines(terminal("é!\r" + CONTROL_D), () -> {})) {
      assertThat(lines.read("> ")).isEqualTo("é!");
      assertThat(lines.read("> ")).isNull();
    }
  }

  @Test
  void controlCWhileAnAnswerStreamsCallsTheInterruptHandler() throws Exception {
    AtomicInteger interrupts = new AtomicInteger();
    Terminal terminal = terminal("");
    try (TerminalLines _ = new TerminalLines(terminal, interrupts::incrementAndGet)) {
      terminal.raise(Terminal.Signal.INT);
    }
    assertThat(interrupts).hasValue(1);
  }
}
