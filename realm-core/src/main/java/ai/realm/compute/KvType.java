package ai.realm.compute;

/// How keys and values are stored between steps.
public enum KvType {
  /// 4 bytes an element: exact, for tests and comparison.
  F32,
  /// 2 bytes an element: the default.
  F16,
  /// 34 bytes per 32 elements, as the quant type of that name; the key and value lengths must be
  /// multiples of 32.
  Q8_0;

  /// Bytes of `n` elements.
  public long byteSize(long n) {
    return switch (this) {
      case F32 -> n * 4;
      case F16 -> n * 2;
      case Q8_0 -> n / 32 * 34;
    };
  }
}
