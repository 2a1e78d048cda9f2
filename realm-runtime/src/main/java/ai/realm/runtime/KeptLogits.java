package ai.realm.runtime;

/// Where the steps of one sequence keep their logits (the flag `LOGITS`): outputs × vocabulary floats. They
/// are memory that the guest asked for, so they are charged like it, to the running guest and to its realm,
/// before they are allocated, and until the sequence is freed. Used by the guest's thread.
final class KeptLogits implements AutoCloseable {
  private static final float[] NONE = new float[0];

  private final GuestState state;
  private float[] room = NONE;
  private long charged;

  KeptLogits(GuestState state) {
    this.state = state;
  }

  /// Makes room for `floats` logits, the same as before where that suffices.
  ///
  /// @throws LimitException `MEMORY_LIMIT` where the guest or its realm may not have as much
  float[] room(long floats) {
    if (room.length >= floats) {
      return room;
    }
    long bytes = Float.BYTES * floats;
    // Before there is more, what was there may go.
    close();
    if (!take(bytes)) {
      throw refusal(bytes);
    }
    try {
      room = new float[Math.toIntExact(floats)];
    } catch (OutOfMemoryError e) {
      // One allocation too large for the heap, and nothing half done.
      close();
      throw refusal(bytes);
    }
    return room;
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
    room = NONE;
    state.logits().give(charged);
    state.memory().give(charged);
    charged = 0;
  }
}
