package ai.realm.cli;

import ai.realm.template.ChatMessage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `realm run`: one prompt, one answer, streamed.
@Command(
    name = "run",
    description = "Answers one prompt; the text streams to standard output as it comes.",
    footer = {"", "Example:", "  realm run --max-tokens 100 \"Tell me a story about a fox.\""})
final class RunCommand implements Callable<Integer> {
  private final Console console;
  private final Sessions sessions;

  @Mixin private RuntimeOptions model = new RuntimeOptions();
  @Mixin private SamplingOptions sampling = new SamplingOptions();

  @Option(
      names = {"-s", "--system"},
      paramLabel = "TEXT",
      description = "What the model is told before the prompt.")
  private @Nullable String system;

  @Option(
      names = "--raw",
      description = "Continue the prompt as it stands, without the model's chat template.")
  private boolean raw;

  @Option(
      names = {"-q", "--quiet"},
      description = "Only the answer, no statistics.")
  private boolean quiet;

  @Parameters(
      arity = "1..*",
      paramLabel = "PROMPT",
      description = "What to answer; - reads it from standard input.")
  private List<String> prompt = new ArrayList<>();

  RunCommand(Console console, Sessions sessions) {
    this.console = console;
    this.sessions = sessions;
  }

  @Override
  public Integer call() throws IOException {
    sampling.check();
    GenerationRequest request = new GenerationRequest(messages(), raw, sampling);
    try (ProgressLine progress = new ProgressLine(console);
        Session session = sessions.open(model, progress)) {
      progress.close();
      sampling.checkTokens(session.vocabularySize());
      session.notices().forEach(notice -> console.note("realm: " + notice));
      try (Interruption _ = new Interruption(session)) {
        StreamedAnswer answer = new StreamedAnswer(console);
        Generation generation = session.generate(request, answer);
        answer.end();
        if (!quiet) {
          console.note(generation.report(session.backend()));
        }
        return generation.finish() == Generation.Finish.CANCELLED
            ? ExitCode.INTERRUPTED
            : ExitCode.OK;
      }
    }
  }

  private List<ChatMessage> messages() throws IOException {
    String text = String.join(" ", prompt);
    if (text.equals("-")) {
      text = new String(console.in().readAllBytes(), StandardCharsets.UTF_8).stripTrailing();
    }
    List<ChatMessage> messages = new ArrayList<>();
    if (system != null && raw) {
      throw new UsageException(
          "--system: expected the chat template, found --raw, which leaves it out");
    }
    if (system != null) {
      messages.add(new ChatMessage("system", system));
    }
    messages.add(new ChatMessage("user", text));
    return messages;
  }
}
