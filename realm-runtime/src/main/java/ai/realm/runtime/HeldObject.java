package ai.realm.runtime;

/// Something behind a handle that takes more of the host's memory than the handle itself.
interface HeldObject extends AutoCloseable {
  /// About how many bytes it takes now, what it shares with others not counted.
  long heldBytes();

  /// Gives up what can be made anew; where that is nothing it does nothing.
  default void shrink() {}

  @Override
  void close();
}
