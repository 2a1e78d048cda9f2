package ai.realm.cli;

/// The command line is wrong in a way that only its command sees: an option's value, or options that do not go
/// together. The message says option, expected and found.
final class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  UsageException(String message) {
    super(message);
  }
}
