package ai.realm.compute;

/// Float32 activations in a backend's own memory. A buffer belongs to the backend that allocated it
/// and is used by one thread at a time; shapes such as `(rows, cols)` are row-major and are given with
/// each operation.
public interface Buffer extends AutoCloseable {
  /// Number of floats.
  long size();

  /// The floats from `offset`, `size` of them, as a buffer over the same memory. Closing a view does
  /// nothing.
  Buffer view(long offset, long size);

  /// Frees the memory; operations that use the buffer afterwards fail.
  @Override
  void close();
}
