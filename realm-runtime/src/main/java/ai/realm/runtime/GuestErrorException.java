package ai.realm.runtime;

import ai.realm.error.RealmException;

/// A guest ended a call in good order and said that it failed: see [CallResult#orThrow].
public final class GuestErrorException extends RealmException {
  private static final long serialVersionUID = 1L;

  private final transient CallResult result;

  GuestErrorException(CallResult result) {
    super("GUEST_ERROR", "guest: " + result.error());
    this.result = result;
  }

  /// What the call gave, with the text that was emitted before.
  public CallResult result() {
    return result;
  }
}
