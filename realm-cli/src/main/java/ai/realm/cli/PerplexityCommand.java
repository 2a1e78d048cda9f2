package ai.realm.cli;

import ai.realm.compute.Backend;
import ai.realm.engine.LoadedModel;
import ai.realm.model.Perplexity;
import ai.realm.runtime.ModelFiles;
import ai.realm.tokenizer.Vocabulary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `realm perplexity`: how well a model predicts a text, to compare quantizations.
@Command(
    name = "perplexity",
    description = "Measures how well a model predicts a text; lower is better.")
final class PerplexityCommand implements Callable<Integer> {
  private final Console console;

  private static final int SHORTEST_WINDOW = 4;

  @Mixin private ComputeOptions compute = new ComputeOptions();

  @Option(
      names = {"-c", "--context"},
      paramLabel = "N",
      description = "Tokens of a window, whose second half counts (default: 512).")
  private int window = 512;

  @Parameters(index = "0", paramLabel = "FILE", description = "A GGUF file.")
  private Path file = Path.of("");

  @Parameters(
      index = "1",
      paramLabel = "TEXT",
      description = "A file with the text; - reads standard input.")
  private String text = "";

  PerplexityCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    compute.check();
    if (window < SHORTEST_WINDOW) {
      throw new UsageException(
          "--context: expected %d or more, found %d".formatted(SHORTEST_WINDOW, window));
    }
    String words =
        text.equals("-")
            ? new String(console.in().readAllBytes(), StandardCharsets.UTF_8)
            : new UserFile(Path.of(text)).text();
    AtomicBoolean stopped = new AtomicBoolean();
    try (Backend backend = compute.open(false, console::note).backend();
        LoadedModel model = LoadedModel.open(ModelFiles.mapped(console::note).open(file), backend);
        ProgressLine line = new ProgressLine(console);
        Interruption _ = new Interruption(() -> stopped.set(true))) {
      Vocabulary vocabulary = model.tokenizer().vocabulary();
      int[] ids = model.tokenizer().encode(words, true, false);
      int bos = vocabulary.addBos() ? vocabulary.bos().orElse(-1) : -1;
      int length = Math.min(window, model.model().config().contextLength());
      Perplexity perplexity =
          Perplexity.of(
              model.model(),
              backend,
              ids,
              length,
              bos,
              done -> {
                line.update("measuring", (long) words.length() * done / ids.length, words.length());
                return !stopped.get();
              });
      line.close();
      console.line(
          String.format(
              Locale.ROOT,
              "perplexity %.4f ± %.4f over %d of %d tokens, windows of %d, %s",
              perplexity.value(),
              perplexity.error(),
              perplexity.tokens(),
              ids.length,
              length,
              backend.name()));
      return stopped.get() ? ExitCode.INTERRUPTED : ExitCode.OK;
    }
  }
}
