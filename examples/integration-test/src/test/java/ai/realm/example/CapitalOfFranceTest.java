package ai.realm.example;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.RealmRuntime;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.testing.sample.SampleModel;
import ai.realm.wasm.DefaultGuest;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// How a program embeds Realm, and the whole path in one test: a runtime with 64-bit host memory and a
/// CPU backend, the built guest's bytes, a model, an answer.
final class CapitalOfFranceTest {
  @ParameterizedTest
  @ValueSource(strings = {"naive", "vector", "auto"})
  void answerContainsParis(String backendName) {
    Backend backend = Backends.open(backendName, BackendOptions.DEFAULT).backend();
    RuntimeConfig config = RuntimeConfig.of("sample", SampleModel.path(), backend);
    try (backend;
        RealmRuntime runtime = new RealmRuntime(config)) {
      byte[] layer = "a layer of one's own".getBytes(StandardCharsets.UTF_8);
      runtime.memory64().store("private", 0, MemorySegment.ofArray(layer));

      runtime.loadWasm(DefaultGuest.bytes());
      long model = runtime.callFunction("load_model", "sample", "{}").value();
      CallResult answer =
          runtime.callFunction("generate", model, "What is the capital of France?", "{}");
      runtime.callFunction("unload_model", model);

      assertThat(answer.text()).contains("Paris");
      assertThat(runtime.memory64().stats().residentBytes()).isEqualTo(layer.length);
    }
  }
}
