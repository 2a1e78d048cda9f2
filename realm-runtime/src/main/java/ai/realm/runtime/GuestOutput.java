package ai.realm.runtime;

/// Where what a guest emits goes. Called by the guest's thread while the call runs.
public interface GuestOutput {
  /// Text, in whole characters.
  void text(String text);

  /// A token that the guest emitted; its text follows, or waits for the token that completes a
  /// character.
  default void token(int id) {}

  /// Something that guest and caller agreed on.
  ///
  /// @param kind what it is, to them
  /// @param data as the guest gave it
  default void event(int kind, byte[] data) {}

  /// A line for the operator's log: at most 1024 bytes, without control characters.
  ///
  /// @param level 0 for errors, 1 for warnings, 2 for information, more for details
  default void log(int level, String line) {}

  /// Drops everything.
  static GuestOutput discard() {
    return text -> {};
  }
}
