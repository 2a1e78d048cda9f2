package ai.realm.engine;

/// How long a forward step takes, learned from the steps of the last moments: a fixed part, such as
/// reading the weights, and a part for each row. A line of least squares over steps whose weight fades
/// by a twentieth with each new one.
///
/// While all steps are of about one size, nothing tells the two parts apart: then the part of a row
/// stays what it was, and before that was ever known it is the whole time over the rows, which asks for
/// too few rows rather than too many.
final class StepCost {
  private static final double FADE = 0.95;

  /// A step that the operating system held back counts for no more than twice what was expected.
  private static final double MOST_OF_EXPECTED = 2;

  /// Variance of the rows below which steps are of one size.
  private static final double LEAST_VARIANCE = 2;

  /// Part of a row, at least, of what a row takes with the fixed part in it: no step is free.
  private static final double LEAST_OF_MEAN = 1.0 / 64;

  private double weight;
  private double rows;
  private double nanos;
  private double squares;
  private double products;
  private double nanosPerRow;
  private boolean told;

  /// Learns from a step.
  void add(int stepRows, long stepNanos) {
    double found = weight == 0 ? stepNanos : Math.min(stepNanos, MOST_OF_EXPECTED * of(stepRows));
    weight = FADE * weight + 1;
    rows = FADE * rows + stepRows;
    nanos = FADE * nanos + found;
    squares = FADE * squares + (double) stepRows * stepRows;
    products = FADE * products + stepRows * found;
    double mean = rows / weight;
    double variance = squares / weight - mean * mean;
    double whole = nanos / rows;
    if (variance >= LEAST_VARIANCE) {
      double slope = (products / weight - mean * nanos / weight) / variance;
      nanosPerRow = Math.clamp(slope, LEAST_OF_MEAN * whole, whole);
      told = true;
    } else if (!told) {
      nanosPerRow = whole;
    } else {
      nanosPerRow = Math.min(nanosPerRow, whole);
    }
  }

  /// Whether there was a step.
  boolean isKnown() {
    return weight > 0;
  }

  /// Nanoseconds that a row more takes; 0 before there was a step.
  double nanosPerRow() {
    return nanosPerRow;
  }

  /// Nanoseconds of a step of so many rows; 0 before there was a step.
  double of(int stepRows) {
    return weight == 0 ? 0 : nanos / weight + nanosPerRow * (stepRows - rows / weight);
  }

  /// Rows that take so long besides others, at most `most`.
  int rowsIn(double time, int most) {
    return (int) Math.min(most, time / nanosPerRow);
  }
}
