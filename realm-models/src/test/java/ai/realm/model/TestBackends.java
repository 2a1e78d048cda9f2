package ai.realm.model;

import ai.realm.compute.BackendProvider;
import ai.realm.compute.Backends;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/// The backends that run here, for parameterized tests.
final class TestBackends {
  private TestBackends() {}

  /// Their names.
  static Stream<String> names() {
    return Backends.installed().stream()
        .filter(provider -> provider.unavailableReason().isEmpty())
        .map(BackendProvider::name);
  }

  /// Each tiny model on each of them: name of the model, name of the backend.
  static Stream<Arguments> tinyModels() {
    return names()
        .flatMap(backend -> TinyModel.names().stream().map(name -> Arguments.of(name, backend)));
  }
}
