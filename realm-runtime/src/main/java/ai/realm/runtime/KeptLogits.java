package ai.realm.runtime;

import java.util.concurrent.locks.ReentrantLock;

/// Where the steps of one sequence keep their logits (the flag `LOGITS`): outputs × vocabulary floats. They
/// are memory that the guest asked for, so they are charged like it, to the running guest and to its realm,
/// before they are allocated, and until the sequence is freed. Used by the guest's thread; whoever ends the
/// guest may close it meanwhile.
final class KeptLogits implements AutoCloseable {
  private static final float[] NONE = new float[0];

  private final GuestState state;
  private final ReentrantLock lock = new ReentrantLock();
  private float[] room = NONE;
  private long charged;
  private boolean closed;

  KeptLogits(GuestState state) {
    this.state = state;
  }

  /// Makes room for `floats` logits, the same as before where that suffices.
  ///
  /// @throws LimitException `MEMORY_LIMIT` where the guest or its realm may not have as much
  /// @throws GuestTrapException `GUEST_CANCELLED` after [#close]
  float[] room(long floats) {
    lock.lock();
    try {
      if (closed) {
        throw new GuestTrapException("GUEST_CANCELLED", "guest: it was ended during the call");
      }
      if (room.length < floats) {
        make(floats);
      }
      return room;
    } finally {
      lock.unlock();
    }
  }

  private void make(long floats) {
    long bytes = Float.BYTES * floats;
    // Before there is more, what was there may go.
    giveBack();
    if (!take(bytes)) {
      throw refusal(bytes);
    }
    try {
      room = new float[Math.toIntExact(floats)];
    } catch (OutOfMemoryError e) {
      // One allocation too large for the heap, and nothing half done.
      giveBack();
      throw refusal(bytes);
    }
  }

  private boolean take(long bytes) {
    if (!state.logits().take(bytes)) {
      return false;
    }
    if (!state.memory().take(bytes)) {
      state.logits().give(bytes);
      return false;
    }
    charged = bytes;
    return true;
  }

  private LimitException refusal(long bytes) {
    return new LimitException(
        "MEMORY_LIMIT",
        "%s: kept logits of %d bytes do not fit beside %d of at most %d of this guest and %d of at most %d of the realm"
            .formatted(
                state.realm().tenant(),
                bytes,
                state.logits().used(),
                state.logits().limit(),
                state.memory().used(),
                state.memory().limit()),
        0);
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      giveBack();
    } finally {
      lock.unlock();
    }
  }

  private void giveBack() {
    room = NONE;
    state.logits().give(charged);
    state.memory().give(charged);
    charged = 0;
  }
}
