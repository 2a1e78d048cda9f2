package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// A guest in a worker does what it does in the host's process, and its end is not the host's.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class WorkerIsolationTest {
  private static final String FRANCE = "What is the capital of France?";

  private Backend backend;

  @BeforeAll
  void open() {
    backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
  }

  @AfterAll
  void close() {
    backend.close();
  }

  private RealmRuntime runtime(byte[] guest, ResourceLimits limits) {
    RealmRuntime runtime =
        new RealmRuntime(
            RuntimeConfig.of("sample", SampleModel.path(), backend),
            limits,
            GuestTools.NONE,
            Isolation.worker());
    try {
      runtime.loadWasm(guest);
    } catch (RuntimeException e) {
      runtime.close();
      throw e;
    }
    return runtime;
  }

  @Test
  void defaultGuestAnswersFromAWorkerAsItDoesHere() {
    try (RealmRuntime runtime =
        runtime(DefaultGuest.bytes(), ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      for (int i = 0; i < 3; i++) {
        long model = runtime.callFunction("load_model", "sample", "{}").value();
        CallResult result = runtime.callFunction("generate", model, FRANCE, "{}");
        assertThat(result.text()).isEqualTo("The capital of France is Paris.");
        assertThat(result.newTokens()).isEqualTo(7);
      }
    }
  }

  @Test
  void endlessGuestIsStoppedAndTheNextCallAnswers() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("rest", 0, 0, new Code().constant(7));
    module.function("run", 0, 0, new Code().forever().constant(0));
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(1500));
    try (RealmRuntime runtime = runtime(module.build(), ResourceLimits.unbounded(limits))) {
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
      assertThatThrownBy(() -> runtime.callFunction("run"))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_DEADLINE"));
      assertThat(runtime.callFunction("rest").value()).isEqualTo(7);
    }
  }
}
