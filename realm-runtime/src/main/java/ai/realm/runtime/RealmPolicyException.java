package ai.realm.runtime;

import ai.realm.error.RealmException;

/// A policy that a realm which is there cannot go on with.
public final class RealmPolicyException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// @param code `ISOLATION_FIXED`, or `REALM_EXISTS` where another one is to be made
  /// @param message one sentence: what was expected and found
  RealmPolicyException(String code, String message) {
    super(code, message);
  }
}
