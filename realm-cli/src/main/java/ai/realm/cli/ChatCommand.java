package ai.realm.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// `realm chat`: a conversation. With line editing and history on a terminal, plain lines otherwise.
@Command(name = "chat", description = "A conversation with the model; /help lists its commands.")
final class ChatCommand implements Callable<Integer> {
  private final Console console;
  private final Sessions sessions;

  @Mixin private RuntimeOptions model = new RuntimeOptions();
  @Mixin private SamplingOptions sampling = new SamplingOptions();

  @Option(
      names = {"-s", "--system"},
      paramLabel = "TEXT",
      description = "What the model is told before the conversation.")
  private @Nullable String system;

  ChatCommand(Console console, Sessions sessions) {
    this.console = console;
    this.sessions = sessions;
  }

  @Override
  public Integer call() throws IOException {
    sampling.check();
    try (ProgressLine progress = new ProgressLine(console);
        Session session = sessions.open(model, progress)) {
      progress.close();
      sampling.checkTokens(session.vocabularySize());
      session.notices().forEach(notice -> console.note("realm: " + notice));
      Conversation conversation = new Conversation(console, session, sampling, system);
      if (console.interactive()) {
        console.note(
            "%s, %s. /help lists the commands.".formatted(model.model().file(), session.backend()));
        try (TerminalLines lines = TerminalLines.open(session::cancel)) {
          conversation.run(lines);
        }
      } else {
        try (Interruption _ = new Interruption(session)) {
          BufferedReader lines =
              new BufferedReader(new InputStreamReader(console.in(), StandardCharsets.UTF_8));
          conversation.run(prompt -> lines.readLine());
        }
      }
    }
    return ExitCode.OK;
  }
}
