package ai.realm.engine.sampling;

/// The random numbers of one choice: a sequence of their own for each seed and place (SplitMix64, Steele et
/// al. 2014). So a token depends on seed and tokens only, not on how often was sampled before it.
final class Draws {
  private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

  private long state;

  /// Begins the numbers for the token behind `place` tokens.
  void begin(long seed, int place) {
    state = mix(mix(seed) + place);
  }

  /// Uniform in [0, 1).
  double next() {
    state += GOLDEN_GAMMA;
    return (mix(state) >>> 11) * 0x1.0p-53;
  }

  private static long mix(long value) {
    long z = value + GOLDEN_GAMMA;
    z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    return z ^ z >>> 31;
  }
}
