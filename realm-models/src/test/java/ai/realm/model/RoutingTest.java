package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Which experts rows go to.
class RoutingTest {
  private static final int ROWS = 3;
  private static final int EXPERTS = 8;
  private static final int USED = 2;

  /// G21: weights that are no numbers cost the step that meets them, by logits that cannot be sampled, and nothing
  /// else.
  @ParameterizedTest
  @EnumSource(Routing.Gating.class)
  void logitsThatAreNoNumbersStillChooseExpertsThatDiffer(Routing.Gating gating) {
    for (float none : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY}) {
      for (int groups : new int[] {1, 4}) {
        Routing routing = new Routing(ROWS, EXPERTS, USED, 4);
        Arrays.fill(routing.logits(), none);
        // The last row's are numbers.
        for (int e = 0; e < EXPERTS; e++) {
          routing.logits()[(ROWS - 1) * EXPERTS + e] = e;
        }
        routing.select(ROWS, gating, null, groups, 2, false, 1);
        int[] chosen = new int[ROWS];
        for (int e = 0; e < EXPERTS; e++) {
          int rows = routing.collect(e, ROWS);
          for (int i = 0; i < rows; i++) {
            int row = routing.expertRows()[i];
            chosen[row]++;
            assertThat(i > 0 && routing.expertRows()[i - 1] == row)
                .as("expert %d twice in row %d", e, row)
                .isFalse();
            if (row == ROWS - 1) {
              assertThat(e).as("the best of numbers").isGreaterThanOrEqualTo(EXPERTS - USED);
            }
          }
        }
        assertThat(chosen).containsOnly(USED);
      }
    }
  }
}
