package ai.realm.guest.sdk;

import ai.realm.guest.Host;

/// A sampler with all settings, for any number of sequences of its model.
public final class Sampler implements AutoCloseable {
  private int handle;

  Sampler(int handle) {
    this.handle = handle;
  }

  /// The host's handle; 0 once it is closed.
  public int handle() {
    return handle;
  }

  @Override
  public void close() {
    if (handle != 0) {
      Host.freeSampler(handle);
      handle = 0;
    }
  }
}
