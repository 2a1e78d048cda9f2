package ai.realm.runtime;

/// Kinds of the messages between the host and a guest in a worker, with their fields.
final class WorkerMessage {
  // To the worker.

  /// length: a module lies in the shared memory.
  static final int LOAD = 16;

  /// digest (32 bytes), maxMemoryBytes (long).
  static final int INSTANTIATE = 17;

  /// name.
  static final int PARAMETERS = 18;

  /// name, count, arguments (long).
  static final int CALL = 19;

  /// value (int) of a host function.
  static final int RESULT = 20;

  /// The host function failed: unwind the guest.
  static final int ABORT = 21;

  /// 1 when the memory was granted, else 0.
  static final int TAKEN = 22;

  /// The instance ends.
  static final int CLOSE = 23;

  // To the host.

  /// The guest's thread is there.
  static final int READY = 1;

  /// function, count, arguments (int).
  static final int HOST_CALL = 2;

  /// bytes (long) of linear memory that the guest wants.
  static final int TAKE = 3;

  /// value (long).
  static final int DONE = 4;

  /// code, message.
  static final int TRAP = 5;

  /// message: this cannot be a guest.
  static final int REFUSED = 6;

  /// message: the worker itself failed.
  static final int FAILED = 7;

  /// The answer to [#INSTANTIATE] of a module that the worker does not have.
  static final long UNKNOWN_MODULE = -1;

  private WorkerMessage() {}
}
