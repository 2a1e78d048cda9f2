package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class VectorBackendTest {
  @Test
  void saysWhatItRunsOn() {
    try (VectorBackend backend = new VectorBackend(new BackendOptions(2, false))) {
      assertThat(backend.name()).isEqualTo("vector");
      assertThat(backend.description()).contains("-bit vectors", "2 threads", "Q4_K");
    }
  }

  @Test
  void isFoundByNameAndPreferredToTheNaiveOne() {
    VectorBackendProvider provider = new VectorBackendProvider();
    assertThat(provider.unavailableReason()).isEmpty();
    assertThat(provider.priority()).isGreaterThan(new NaiveBackendProvider().priority());
    Backends.Selection selection = Backends.open("vector", new BackendOptions(1, false));
    try (var backend = selection.backend()) {
      assertThat(backend).isInstanceOf(VectorBackend.class);
    }
  }

  @Test
  void refusesMemoryThatItsThreadsCannotReach() {
    try (VectorBackend backend = new VectorBackend(new BackendOptions(1, false));
        Arena arena = Arena.ofConfined()) {
      Tensor tensor = new Tensor("w", GgmlType.F32, Shape.of(4, 2), arena.allocate(32));
      assertThatThrownBy(() -> backend.weights(tensor))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("tensor w")
          .hasMessageContaining("one thread");
    }
  }

  @Test
  void aJvmWithoutTheVectorApiIsToldTheFlag() throws IOException, InterruptedException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String path =
        System.getProperty("jdk.module.path", "")
            + File.pathSeparator
            + System.getProperty("java.class.path");
    Process process =
        new ProcessBuilder(java, "-cp", path, WithoutVectorApi.class.getName())
            .redirectErrorStream(true)
            .start();
    assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(output).contains("--add-modules jdk.incubator.vector").contains("threw ISE");
  }
}
