package ai.realm.error;

/// An error that Realm reports to its user: a stable code and one clear sentence that names the
/// place, what was expected and what was found. Subclasses follow the phases: reading a file
/// (`GgufFormatException`), recognising a model (`UnsupportedModelException`), admitting a request
/// (`AdmissionException`), running a guest (`GuestTrapException`).
public abstract class RealmException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String code;

  /// @param code stable upper-case identifier of the kind of error, such as `MODEL_INVALID`
  /// @param message one sentence: place, expected, found
  protected RealmException(String code, String message) {
    super(message);
    this.code = code;
  }

  /// As above, with the failure that led here.
  protected RealmException(String code, String message, Throwable cause) {
    super(message, cause);
    this.code = code;
  }

  /// A refusal under load, where the walk up the stack would cost more than the refusal: the code and the
  /// message say it all.
  ///
  /// @param withStackTrace whether the place where it was made is recorded
  protected RealmException(String code, String message, boolean withStackTrace) {
    super(message, null, true, withStackTrace);
    this.code = code;
  }

  /// Stable upper-case identifier of the kind of error, such as `MODEL_INVALID`.
  public final String code() {
    return code;
  }
}
