package ai.realm.cli;

import ai.realm.error.RealmException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/// Turns a failure into one sentence and an exit code; `--verbose` adds the stack trace.
final class ErrorReporter implements IExecutionExceptionHandler, IParameterExceptionHandler {
  private final Console console;

  ErrorReporter(Console console) {
    this.console = console;
  }

  @Override
  public int handleParseException(ParameterException failure, String[] args) {
    CommandLine command = failure.getCommandLine();
    StringBuilder sentence = new StringBuilder("realm: ").append(oneLine(failure.getMessage()));
    if (failure instanceof UnmatchedArgumentException unmatched
        && !unmatched.getSuggestions().isEmpty()) {
      sentence
          .append("; did you mean ")
          .append(String.join(" or ", unmatched.getSuggestions()))
          .append("?");
    }
    return wrongCommandLine(sentence.toString(), command);
  }

  private int wrongCommandLine(String sentence, CommandLine command) {
    console.note(sentence);
    console.note("See: " + command.getCommandSpec().qualifiedName() + " --help");
    return ExitCode.USAGE;
  }

  @Override
  public int handleExecutionException(Exception failure, CommandLine command, ParseResult parsed) {
    if (failure instanceof UsageException wrong) {
      return wrongCommandLine("realm: " + described(wrong), command);
    }
    Throwable cause = unwrap(failure);
    console.note("realm: " + sentence(cause));
    RealmCommand top = command.getCommandSpec().root().commandLine().getCommand();
    if (top.verbose()) {
      failure.printStackTrace(console.errWriter());
    }
    return exitCode(cause);
  }

  private static Throwable unwrap(Throwable failure) {
    return failure instanceof UncheckedIOException wrapped && wrapped.getCause() != null
        ? wrapped.getCause()
        : failure;
  }

  private static int exitCode(Throwable cause) {
    return cause instanceof RealmException known && known.code().startsWith("MODEL_")
        ? ExitCode.MODEL
        : ExitCode.FAILURE;
  }

  /// What happened, for a person.
  static String sentence(Throwable cause) {
    return switch (cause) {
      case NoSuchFileException e -> e.getFile() + ": there is no such file";
      case AccessDeniedException e -> e.getFile() + ": may not be read";
      case FileSystemException e -> e.getFile() + ": " + described(e);
      case IOException e -> described(e);
      case RealmException e -> described(e);
      case IllegalArgumentException e -> described(e);
      case IllegalStateException e -> described(e);
      default ->
          "unexpected failure, please report it (--verbose shows where): "
              + cause.getClass().getSimpleName()
              + ": "
              + described(cause);
    };
  }

  private static String described(Throwable cause) {
    String reason = cause instanceof FileSystemException file ? file.getReason() : null;
    String message = reason == null ? cause.getMessage() : reason;
    return message == null ? cause.getClass().getSimpleName() : oneLine(message);
  }

  /// Control characters of a hostile file must not reach the terminal.
  private static String oneLine(@Nullable String message) {
    return message == null ? "" : Printable.of(message);
  }
}
