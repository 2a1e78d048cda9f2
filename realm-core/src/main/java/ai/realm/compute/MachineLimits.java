package ai.realm.compute;

/// What a backend's hardware can do at most, measured and not looked up: what a benchmark's figures are
/// compared with.
///
/// @param readBytesPerSecond memory read by all threads together: the floor of decoding
/// @param int8OperationsPerSecond multiplications and additions of bytes: the floor of prefill
/// @param floatOperationsPerSecond the same of floats
public record MachineLimits(
    double readBytesPerSecond, double int8OperationsPerSecond, double floatOperationsPerSecond) {
  public MachineLimits {
    if (!(readBytesPerSecond > 0 && int8OperationsPerSecond > 0 && floatOperationsPerSecond > 0)) {
      throw new IllegalArgumentException(
          "expected positive limits, found %g, %g, %g"
              .formatted(readBytesPerSecond, int8OperationsPerSecond, floatOperationsPerSecond));
    }
  }
}
