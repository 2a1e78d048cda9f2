package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.KvType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

final class RuntimeConfigTest {
  @AutoClose
  private final Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();

  @Test
  void aBuilderKeepsWhatItStartsFrom() {
    Path file = Path.of("none.gguf");
    RuntimeConfig config =
        new RuntimeConfig(
            Map.of("a", file, "b", file),
            backend,
            1,
            3,
            KvType.Q8_0,
            4,
            GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(5)),
            6,
            Map.of("c", new AdaptedModel("a", file, 7)),
            SequenceStorage.inFolder(Path.of("kept"), 8),
            ModelFiles.inMemory());
    assertThat(config.toBuilder().build()).isEqualTo(config);
    assertThat(config.toBuilder().maxBatch(9).build().maxBatch()).isEqualTo(9);
  }

  @Test
  void whatIsBuiltIsChecked() {
    assertThatThrownBy(() -> RuntimeConfig.builder(backend).maxContext(0).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("found 0, 2, 64");
  }
}
