package ai.realm.runtime;

/// How a guest's call ended.
///
/// @param value what the export returned; 0 when it returns nothing. Negative where the guest failed in good order,
///     as the SDKs' guests and the default one do: see `error`
/// @param error what a negative value means; where a host function gave it last, with its name and, where one of its
///     arguments was wrong, which, what was expected and what was found. Empty for other values
/// @param text all text that the guest emitted
/// @param promptTokens tokens that it fed, but for those that the sequence itself had just sampled
/// @param newTokens tokens that were sampled for it, the one that ended the generation not counted
/// @param firstTokenNanos from the call to the first sampled token; 0 when there was none
/// @param totalNanos from the call to its end
/// @param waitNanos of these, how long it waited for the engine; the rest is the guest's own time and
///     that of the host functions
public record CallResult(
    long value,
    String error,
    String text,
    int promptTokens,
    int newTokens,
    long firstTokenNanos,
    long totalNanos,
    long waitNanos) {
  /// This, unless the guest said that it failed.
  ///
  /// @throws GuestErrorException `GUEST_ERROR` where the value is negative
  public CallResult orThrow() {
    if (value < 0) {
      throw new GuestErrorException(this);
    }
    return this;
  }
}
