package ai.realm.runtime;

/// Who is asked before a guest's memory is allocated.
interface MemoryCharge {
  /// Takes `bytes`, or nothing when there are not as many.
  boolean take(long bytes);

  void give(long bytes);

  /// Why `bytes` were not there.
  GuestTrapException refusal(long bytes);
}
