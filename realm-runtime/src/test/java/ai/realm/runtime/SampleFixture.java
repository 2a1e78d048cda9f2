package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import org.junit.jupiter.api.AutoClose;

/// A test over the sample model, on the backend that a user gets; closed after what the test itself closes.
abstract class SampleFixture {
  @AutoClose final Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();

  /// The sample model as `sample`.
  final RuntimeConfig sample() {
    return builder().build();
  }

  /// The sample model as `sample`, and what a test wants besides.
  final RuntimeConfig.Builder builder() {
    return RuntimeConfig.builder(backend).model("sample", SampleModel.path());
  }
}
