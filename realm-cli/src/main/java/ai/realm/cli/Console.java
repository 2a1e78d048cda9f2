package ai.realm.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/// Where a command reads and writes. Text is UTF-8 whatever the locale says.
final class Console {
  private final InputStream in;
  private final PrintWriter out;
  private final PrintWriter err;
  private final boolean interactive;

  /// @param interactive whether a person sits at a terminal: progress and line editing make sense
  Console(InputStream in, OutputStream out, OutputStream err, boolean interactive) {
    this.in = in;
    this.out = new PrintWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8));
    this.err = new PrintWriter(new OutputStreamWriter(err, StandardCharsets.UTF_8), true);
    this.interactive = interactive;
  }

  /// The console of this process.
  static Console ofProcess() {
    java.io.Console terminal = System.console();
    return new Console(
        System.in,
        new FileOutputStream(FileDescriptor.out),
        new FileOutputStream(FileDescriptor.err),
        terminal != null && terminal.isTerminal());
  }

  boolean interactive() {
    return interactive;
  }

  InputStream in() {
    return in;
  }

  PrintWriter outWriter() {
    return out;
  }

  PrintWriter errWriter() {
    return err;
  }

  /// Writes generated text at once, as it comes.
  ///
  /// @throws UncheckedIOException when nobody reads any more: what generates should stop
  void stream(String text) {
    out.print(text);
    if (out.checkError()) {
      throw new UncheckedIOException(new IOException("standard output was closed"));
    }
  }

  void line(String text) {
    out.println(text);
  }

  /// One line for the person, beside the output: statistics, warnings, errors.
  void note(String text) {
    out.flush();
    err.println(text);
  }

  void flush() {
    out.flush();
    err.flush();
  }
}
