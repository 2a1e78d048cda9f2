package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufWriter;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GuestSessionTest {
  @TempDir Path folder;

  private Path model(GgmlType type) {
    Path file = folder.resolve(type + ".gguf");
    Shape shape = Shape.of(256, 2);
    MemorySegment zeros = MemorySegment.ofArray(new byte[(int) type.byteSize(shape.elements())]);
    new GgufWriter(file).tensor("a.weight", type, shape, zeros).write();
    return file;
  }

  @Test
  void typesWithoutAFastKernelAreNamedOnceAtLoad() {
    try (Backend vector = Backends.open("vector", BackendOptions.DEFAULT).backend();
        Backend naive = Backends.open("naive", BackendOptions.DEFAULT).backend()) {
      assertThat(GuestSession.remarks(model(GgmlType.IQ2_XS), vector))
          .containsExactly("IQ2_XS is slow here: its rows are dequantized one by one");
      assertThat(GuestSession.remarks(model(GgmlType.Q4_K), vector)).isEmpty();
      assertThat(GuestSession.remarks(model(GgmlType.IQ2_XS), naive)).isEmpty();
    }
  }
}
