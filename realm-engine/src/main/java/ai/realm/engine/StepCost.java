package ai.realm.engine;

/// How long a forward step takes, learned from the steps of the last moments: a fixed part, such as
/// reading the weights, and a part for each row. A line of least squares over steps whose weight fades
/// by a twentieth with each new one.
///
/// While all steps are of about one size, nothing tells the two parts apart: then the part of a row
/// stays what it was, and before that was ever known it is the whole time over the rows, which asks for
/// too few rows rather than too many. What the operating system holds back looks like a fixed part: so no
/// step becomes more than four times as large as the largest of the last moments, and where that was large, a
/// row is not taken for less than half of what it took there.
final class StepCost {
  private static final double FADE = 0.95;

  /// A step that the operating system held back counts for no more than twice what was expected.
  private static final double MOST_OF_EXPECTED = 2;

  /// Variance of the rows below which steps are of one size.
  private static final double LEAST_VARIANCE = 2;

  /// Part of a row, at least, of what a row took in a large step with the fixed part in it.
  private static final double LEAST_OF_LARGEST = 0.5;

  private static final int LARGE = 32;

  /// The same of the mean of all steps: none is free.
  private static final double LEAST_OF_MEAN = 1.0 / 64;

  /// How the size of the largest step fades with each new one.
  private static final double LARGEST_FADE = 0.98;

  /// How much larger the next step may be.
  private static final int GROWTH = 4;

  /// Rows that a step may always have.
  private static final int LEAST_BOUND = 64;

  private double weight;
  private double rows;
  private double nanos;
  private double squares;
  private double products;
  private double nanosPerRow;
  private boolean told;
  private double largestRows;
  private double largestNanosPerRow;

  /// Learns from a step.
  void add(int stepRows, long stepNanos) {
    double expected = Math.max(of(stepRows), stepRows * largestNanosPerRow);
    double found = weight == 0 ? stepNanos : Math.min(stepNanos, MOST_OF_EXPECTED * expected);
    weight = FADE * weight + 1;
    rows = FADE * rows + stepRows;
    nanos = FADE * nanos + found;
    squares = FADE * squares + (double) stepRows * stepRows;
    products = FADE * products + stepRows * found;
    largestRows *= LARGEST_FADE;
    if (stepRows >= largestRows) {
      largestRows = stepRows;
      largestNanosPerRow = found / stepRows;
    }
    double mean = rows / weight;
    double variance = squares / weight - mean * mean;
    double whole = nanos / rows;
    if (variance >= LEAST_VARIANCE) {
      double slope = (products / weight - mean * nanos / weight) / variance;
      double least =
          largestRows < LARGE
              ? LEAST_OF_MEAN * whole
              : Math.min(LEAST_OF_LARGEST * largestNanosPerRow, whole);
      nanosPerRow = Math.clamp(slope, least, whole);
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
    double bound = Math.max(LEAST_BOUND, GROWTH * largestRows);
    return (int) Math.min(most, Math.min(bound, time / nanosPerRow));
  }
}
