package ai.realm.cli;

import ai.realm.error.RealmException;
import ai.realm.template.ChatMessage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// The loop of `realm chat`: reads turns and commands, keeps the conversation, streams the answers.
///
/// A line that ends in a backslash goes on in the next; `"""` opens and closes a block of lines.
final class Conversation {
  private static final String PROMPT = "> ";
  private static final String CONTINUED = "… ";
  private static final String BLOCK = "\"\"\"";
  private static final int MAX_TURN_LENGTH = 1 << 20;

  private final Console console;
  private final Session session;
  private final SamplingOptions sampling;
  private final List<ChatMessage> messages = new ArrayList<>();
  private final @Nullable String system;

  private int turns;
  private long promptTokens;
  private long newTokens;
  private long nanos;
  private @Nullable Generation last;

  Conversation(
      Console console, Session session, SamplingOptions sampling, @Nullable String system) {
    this.console = console;
    this.session = session;
    this.sampling = sampling;
    this.system = system;
    reset();
  }

  /// Reads turns until `/exit` or the end of input.
  void run(LineSource lines) throws IOException {
    for (String turn = readTurn(lines); turn != null; turn = readTurn(lines)) {
      switch (turn.strip()) {
        case "" -> {}
        case "/exit", "/quit" -> {
          return;
        }
        case "/reset" -> {
          reset();
          console.note("The conversation starts anew.");
        }
        case "/stats" -> console.note(statistics());
        case "/help" -> console.note(help());
        case String command when command.startsWith("/") && !command.contains(" ") ->
            console.note(Printable.of(command) + ": no such command; /help lists them");
        default -> answer(turn);
      }
    }
  }

  private void reset() {
    messages.clear();
    if (system != null) {
      messages.add(new ChatMessage("system", system));
    }
  }

  private @Nullable String readTurn(LineSource lines) throws IOException {
    String line = lines.read(PROMPT);
    if (line == null) {
      return null;
    }
    if (line.strip().equals(BLOCK)) {
      return readBlock(lines);
    }
    StringBuilder turn = new StringBuilder();
    while (line != null && line.endsWith("\\")) {
      append(turn, line.substring(0, line.length() - 1)).append('\n');
      line = lines.read(CONTINUED);
    }
    return append(turn, line == null ? "" : line).toString();
  }

  private static String readBlock(LineSource lines) throws IOException {
    StringBuilder turn = new StringBuilder();
    for (String line = lines.read(CONTINUED);
        line != null && !line.strip().equals(BLOCK);
        line = lines.read(CONTINUED)) {
      append(turn, line).append('\n');
    }
    return turn.toString().stripTrailing();
  }

  private static StringBuilder append(StringBuilder turn, String line) {
    if (turn.length() + line.length() > MAX_TURN_LENGTH) {
      throw new IllegalArgumentException(
          "a turn: expected at most " + MAX_TURN_LENGTH + " characters, found more");
    }
    return turn.append(line);
  }

  private void answer(String turn) {
    messages.add(new ChatMessage("user", turn));
    StreamedAnswer answer = new StreamedAnswer(console);
    try {
      Generation generation =
          session.generate(new GenerationRequest(messages, false, sampling), answer);
      answer.end();
      messages.add(new ChatMessage("assistant", answer.text()));
      count(generation);
    } catch (RealmException e) {
      // The turn did not happen; the conversation can go on without it.
      messages.removeLast();
      console.note("realm: " + ErrorReporter.sentence(e));
      if (e.code().equals("CONTEXT_FULL")) {
        console.note("The conversation is longer than the model's context; /reset starts anew.");
      }
    }
  }

  private void count(Generation generation) {
    turns++;
    promptTokens += generation.promptTokens();
    newTokens += generation.newTokens();
    nanos += generation.totalNanos();
    last = generation;
  }

  private String statistics() {
    String total =
        String.format(
            Locale.ROOT,
            "%d turns, %d prompt tokens, %d new tokens, %.1f s, %s",
            turns,
            promptTokens,
            newTokens,
            nanos / 1e9,
            session.backend());
    return last == null ? total : total + System.lineSeparator() + last.report("last turn");
  }

  private static String help() {
    return String.join(
        System.lineSeparator(),
        "/reset   forget the conversation",
        "/stats   tokens and speed so far",
        "/help    this list",
        "/exit    leave (also Ctrl-D)",
        "A line that ends in \\ goes on in the next; "
            + BLOCK
            + " on a line opens and closes a block.",
        "Ctrl-C stops an answer.");
  }
}
