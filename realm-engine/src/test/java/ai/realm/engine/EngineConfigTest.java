package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.KvType;
import org.junit.jupiter.api.Test;

final class EngineConfigTest {
  @Test
  void aBuilderKeepsWhatItStartsFrom() {
    EngineConfig config = new EngineConfig(1, 2, 3, 4, KvType.Q8_0, 5, 6, 7, 8);
    assertThat(config.toBuilder().build()).isEqualTo(config);
    assertThat(config.toBuilder().maxContext(9).build())
        .isEqualTo(new EngineConfig(1, 2, 3, 4, KvType.Q8_0, 5, 6, 7, 9));
  }

  @Test
  void positionsAreToBeSet() {
    assertThatThrownBy(() -> EngineConfig.builder().build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("kvPositions: expected at least a block of 32, found 0");
  }
}
