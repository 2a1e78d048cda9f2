package ai.realm.cli;

/// Exit codes of the command, as `--help` lists them.
final class ExitCode {
  static final int OK = 0;

  /// It failed while running.
  static final int FAILURE = 1;

  /// The command line is wrong: an option's value, or options that do not go together. A file that it names and that
  /// is not there is a failure.
  static final int USAGE = 2;

  /// The model file is damaged, or Realm cannot run it.
  static final int MODEL = 3;

  /// Stopped by Ctrl-C: 128 + SIGINT.
  static final int INTERRUPTED = 130;

  private ExitCode() {}
}
