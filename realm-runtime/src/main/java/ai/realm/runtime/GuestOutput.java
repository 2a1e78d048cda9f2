package ai.realm.runtime;

/// Where what a guest emits goes. Called by the guest's thread while the call runs.
public interface GuestOutput {
  /// Text, in whole characters.
  void text(String text);

  /// A token that the guest emitted; its text follows, or waits for the token that completes a
  /// character.
  default void token(int id) {}

  /// Drops everything.
  static GuestOutput discard() {
    return text -> {};
  }
}
