package ai.realm.compute.cpu;

/// The Gauss error function, which Java's library lacks, to about 1e-15.
final class ErrorFunction {
  private static final double TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

  /// Below it the power series converges without cancellation that matters; above it the continued
  /// fraction of erfc converges quickly.
  private static final double SERIES_LIMIT = 3;

  private static final int FRACTION_TERMS = 60;

  private ErrorFunction() {}

  /// `2/√π · ∫₀ˣ e^(−t²) dt`. Abramowitz and Stegun 7.1.6 (series) and 7.1.14 (continued fraction).
  static double erf(double x) {
    double a = Math.abs(x);
    if (Double.isNaN(x)) {
      return x;
    }
    double value = a < SERIES_LIMIT ? series(a) : 1 - complement(a);
    return x < 0 ? -value : value;
  }

  /// `2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1))`: all terms positive.
  private static double series(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; term > sum * 1e-17; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return TWO_OVER_SQRT_PI * Math.exp(-x * x) * sum;
  }

  /// `e^(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …))))`.
  private static double complement(double x) {
    if (x > 27) {
      return 0;
    }
    double fraction = x;
    for (int n = FRACTION_TERMS; n > 0; n--) {
      fraction = x + n / 2.0 / fraction;
    }
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
  }
}
