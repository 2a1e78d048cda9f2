package ai.realm.runtime;

/// Error numbers that host functions return, as in `docs/guest-abi.md`.
final class Errno {
  static final int ENOENT = -2;
  static final int EBADF = -9;
  static final int EAGAIN = -11;
  static final int EBUSY = -16;
  static final int EINVAL = -22;
  static final int EMSGSIZE = -90;
  static final int EDQUOT = -122;
  static final int ECANCELED = -125;

  private Errno() {}

  /// What a failed call of a guest means, for people.
  static String describe(long number) {
    return switch ((int) number) {
      case ENOENT -> "there is no model, tool, value or saved sequence of that name";
      case EBADF -> "unknown handle";
      case EAGAIN -> "not ready: the engine's queue is full, or the ticket's steps are not done";
      case EBUSY -> "in use by a step in flight";
      case EINVAL -> "an argument is out of its range";
      case EMSGSIZE -> "the text is longer than the model's context or the guest's memory";
      case EDQUOT -> "a limit of the realm is reached";
      case ECANCELED -> "cancelled";
      default -> "error " + number;
    };
  }
}
