package ai.realm.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Streams an answer to the console, and keeps its text and a line for each log probability.
final class StreamedAnswer implements AnswerOutput {
  private final Console console;
  private final StringBuilder text = new StringBuilder();
  private final List<String> lines = new ArrayList<>();

  StreamedAnswer(Console console) {
    this.console = console;
  }

  @Override
  public void text(String piece) {
    text.append(piece);
    console.stream(piece);
  }

  @Override
  public void logprob(int token, float logprob) {
    lines.add(String.format(Locale.ROOT, "token %d logprob %.4f", token, logprob));
  }

  /// Ends the line, and writes the log probabilities behind it.
  void end() {
    console.stream(System.lineSeparator());
    lines.forEach(console::note);
  }

  /// What came so far.
  String text() {
    return text.toString();
  }
}
