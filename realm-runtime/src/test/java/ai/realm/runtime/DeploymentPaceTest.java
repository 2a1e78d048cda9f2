package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class DeploymentPaceTest {
  private static final long WITHIN = DeploymentPace.WITHIN.toNanos();

  @Test
  void fewAreNotFast() {
    DeploymentPace pace = new DeploymentPace();
    for (int i = 0; i < DeploymentPace.MANY - 1; i++) {
      assertThat(pace.isFastWith(i)).isFalse();
    }
    assertThat(pace.isFastWith(DeploymentPace.MANY)).isTrue();
    assertThat(pace.isFastWith(DeploymentPace.MANY + 1)).isTrue();
  }

  @Test
  void manyOverALongTimeAreNotFast() {
    DeploymentPace pace = new DeploymentPace();
    long step = (WITHIN + DeploymentPace.MANY - 2) / (DeploymentPace.MANY - 1);
    // A clock may be negative.
    long now = -50 * step;
    for (int i = 0; i < 100; i++, now += step) {
      assertThat(pace.isFastWith(now)).as("deployment %d", i).isFalse();
    }
    assertThat(pace.isFastWith(now)).isFalse();
    assertThat(pace.isFastWith(now + 1)).as("two in place of one").isTrue();
  }
}
