package ai.realm.cli;

import java.io.IOException;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jspecify.annotations.Nullable;

/// Lines from a terminal, with editing and the history of this session; nothing is kept on disk.
final class TerminalLines implements LineSource, AutoCloseable {
  private final Terminal terminal;
  private final LineReader reader;

  TerminalLines(Terminal terminal, Runnable onInterrupt) {
    this.terminal = terminal;
    terminal.handle(Terminal.Signal.INT, signal -> onInterrupt.run());
    reader =
        LineReaderBuilder.builder()
            .terminal(terminal)
            .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
            .build();
  }

  /// Takes over the process's terminal.
  ///
  /// @param onInterrupt called on Ctrl-C while no line is being read
  static TerminalLines open(Runnable onInterrupt) throws IOException {
    return new TerminalLines(TerminalBuilder.builder().system(true).build(), onInterrupt);
  }

  @Override
  public @Nullable String read(String prompt) {
    try {
      return reader.readLine(prompt);
    } catch (UserInterruptException e) {
      return "";
    } catch (EndOfFileException e) {
      return null;
    }
  }

  @Override
  public void close() throws IOException {
    terminal.close();
  }
}
