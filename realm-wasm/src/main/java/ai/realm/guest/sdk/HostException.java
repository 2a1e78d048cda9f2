package ai.realm.guest.sdk;

/// What the host refused, by its error number ([Host]); [Call#run] hands it to the caller as the result.
public final class HostException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int number;

  public HostException(int number) {
    this.number = number;
  }

  /// A negative number.
  public int number() {
    return number;
  }

  /// A host function's result, unless it is an error.
  static int check(int result) {
    if (result < 0) {
      throw new HostException(result);
    }
    return result;
  }
}
