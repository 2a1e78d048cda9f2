package ai.realm.guest.sdk;

import ai.realm.guest.Host;

/// A compiled grammar; its matchers outlive it.
public final class Grammar implements AutoCloseable {
  private int handle;

  Grammar(int handle) {
    this.handle = handle;
  }

  /// The host's handle; 0 once it is closed.
  public int handle() {
    return handle;
  }

  @Override
  public void close() {
    if (handle != 0) {
      Host.freeGrammar(handle);
      handle = 0;
    }
  }
}
