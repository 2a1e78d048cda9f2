package ai.realm.engine;

/// How long a tenant's callers take from a token to the step after it: mean and mean deviation of the last
/// few, as of round trips in TCP (Jacobson 1988). Guarded by the engine's lock.
final class ReturnTime {
  /// Who takes longer does something else.
  private static final long LONGEST_NANOS = 2_000_000;

  private static final double GAIN = 1.0 / 8;
  private static final int DEVIATIONS = 2;

  private double mean;
  private double deviation;

  /// A caller came back after so long.
  void add(long nanos) {
    if (nanos < 0 || nanos > LONGEST_NANOS) {
      return;
    }
    if (mean == 0) {
      mean = nanos;
      deviation = nanos / 2.0;
    } else {
      deviation += GAIN * (Math.abs(nanos - mean) - deviation);
      mean += GAIN * (nanos - mean);
    }
  }

  /// When nearly all are back; 0 where nobody has come back soon so far.
  long nanos() {
    return mean == 0 ? 0 : (long) (mean + DEVIATIONS * deviation);
  }
}
