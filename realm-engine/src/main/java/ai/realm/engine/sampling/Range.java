package ai.realm.engine.sampling;

/// What a parameter may be. A class of its own, so that [SamplingParams.DryParams] can be the first that is loaded.
final class Range {
  private Range() {}

  /// @throws IllegalArgumentException naming the parameter, when its value lies outside
  static void check(String name, double value, double least, double most) {
    if (!(value >= least && value <= most)) {
      throw new IllegalArgumentException(
          "%s: expected %s to %s, found %s".formatted(name, text(least), text(most), text(value)));
    }
  }

  /// A float as it was given: 1.7, not 1.7000000476837158.
  private static String text(double v) {
    if (v == Math.rint(v) && !Double.isInfinite(v)) {
      return Long.toString((long) v);
    }
    return v == (float) v ? Float.toString((float) v) : Double.toString(v);
  }
}
