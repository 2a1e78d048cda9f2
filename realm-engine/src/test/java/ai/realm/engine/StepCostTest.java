package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

final class StepCostTest {
  private static final long FIXED = 13_000_000;
  private static final long ROW = 400_000;

  private final StepCost cost = new StepCost();

  private void steps(int times, int... rows) {
    for (int i = 0; i < times; i++) {
      for (int n : rows) {
        cost.add(n, FIXED + n * ROW);
      }
    }
  }

  @Test
  void nothingIsKnownBeforeAStep() {
    assertThat(cost.isKnown()).isFalse();
    assertThat(cost.of(1)).isZero();
  }

  @Test
  void tellsTheFixedPartFromThatOfARow() {
    steps(10, 1, 9, 65);
    assertThat(cost.nanosPerRow()).isCloseTo(ROW, within(0.01 * ROW));
    assertThat(cost.of(1)).isCloseTo(FIXED + ROW, within(0.01 * FIXED));
    assertThat(cost.of(200)).isCloseTo(FIXED + 200.0 * ROW, within(0.01 * FIXED));
    assertThat(cost.rowsIn(30.1e6, 512)).isEqualTo(75);
    assertThat(cost.rowsIn(30e9, 512)).as("four times the largest step").isEqualTo(260);
    assertThat(cost.rowsIn(30e9, 128)).isEqualTo(128);
  }

  @Test
  void noiseIsNotTakenForAFixedPart() {
    // Rows cost all of it, and what was held back hides that.
    for (int i = 0; i < 50; i++) {
      cost.add(5, 5 * ROW + 4 * ROW);
      cost.add(9, 9 * ROW);
    }
    assertThat(cost.rowsIn(100 * ROW, 512)).as("not far beyond what is known").isEqualTo(64);
    cost.add(64, 64 * ROW);
    assertThat(cost.nanosPerRow()).isGreaterThanOrEqualTo(0.5 * ROW);
  }

  @Test
  void stepsOfOneSizeAskForTooFewRowsRatherThanTooMany() {
    steps(10, 8);
    assertThat(cost.nanosPerRow()).isCloseTo(FIXED / 8.0 + ROW, within(1.0));
    assertThat(cost.of(8)).isCloseTo(FIXED + 8.0 * ROW, within(1.0));
  }

  @Test
  void whatARowTakesIsKeptWhileStepsAreOfOneSize() {
    steps(10, 1, 65);
    steps(300, 5);
    assertThat(cost.nanosPerRow()).isCloseTo(ROW, within(0.02 * ROW));
    assertThat(cost.of(5)).isCloseTo(FIXED + 5.0 * ROW, within(0.02 * FIXED));
  }

  @Test
  void aStepThatWasHeldBackHardlyCounts() {
    steps(40, 1, 9);
    cost.add(5, 1_000_000_000_000L);
    assertThat(cost.of(1)).isLessThan(1.2 * (FIXED + ROW));
    assertThat(cost.of(9)).isLessThan(1.2 * (FIXED + 9 * ROW));
  }

  @Test
  void followsAMachineThatBecomesSlower() {
    steps(40, 1, 9);
    for (int i = 0; i < 100; i++) {
      cost.add(1, 5 * (FIXED + ROW));
      cost.add(9, 5 * (FIXED + 9 * ROW));
    }
    assertThat(cost.of(1)).isCloseTo(5.0 * (FIXED + ROW), within(0.05 * 5 * FIXED));
    assertThat(cost.nanosPerRow()).isCloseTo(5.0 * ROW, within(0.05 * 5 * ROW));
  }
}
