package ai.realm.cli;

import picocli.CommandLine;

/// Where the `realm` command starts.
public final class Main {
  private Main() {}

  /// Runs one command and ends the process with its [ExitCode].
  public static void main(String[] args) {
    System.exit(run(Console.ofProcess(), GuestSession::open, args));
  }

  /// Runs one command and returns its exit code.
  static int run(Console console, Sessions sessions, String... args) {
    CommandLine command = commandLine(console, sessions);
    ErrorReporter errors = new ErrorReporter(console);
    command.setParameterExceptionHandler(errors).setExecutionExceptionHandler(errors);
    int code = command.execute(args);
    console.flush();
    return code;
  }

  private static CommandLine commandLine(Console console, Sessions sessions) {
    return new CommandLine(new RealmCommand())
        .addSubcommand(new RunCommand(console, sessions))
        .addSubcommand(new ChatCommand(console, sessions))
        .addSubcommand(new InspectCommand(console))
        .addSubcommand(new TokenizeCommand(console))
        .addSubcommand(new QuantizeCommand(console))
        .addSubcommand(new PerplexityCommand(console))
        .addSubcommand(new BenchCommand(console))
        .addSubcommand(new GuestCommand(console))
        .setOut(console.outWriter())
        .setErr(console.errWriter())
        .setUsageHelpAutoWidth(console.interactive())
        .setCaseInsensitiveEnumValuesAllowed(true);
  }
}
