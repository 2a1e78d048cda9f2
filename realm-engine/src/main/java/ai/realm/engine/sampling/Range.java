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

  private static String text(double v) {
    return v == Math.rint(v) ? Long.toString((long) v) : Double.toString(v);
  }
}
