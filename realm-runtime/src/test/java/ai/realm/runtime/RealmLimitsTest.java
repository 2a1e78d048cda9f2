package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What limits and breakers do to the calls after the one that met them.
@Timeout(120)
final class RealmLimitsTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final String FRANCE = "What is the capital of France?";
  private static final RealmPolicy FREE =
      RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));

  @AutoClose private final MultiRealmManager manager = manager();

  private MultiRealmManager manager() {
    RuntimeConfig config = builder().maxContext(2048).sequences(16).memory64Bytes(1 << 20).build();
    return new MultiRealmManager(config, DefaultGuest.bytes());
  }

  private CallResult ask(String prompt, String config) {
    return manager.generate(A, "sample", prompt, config, GuestOutput.discard());
  }

  private static void refused(Runnable call, String code) {
    assertThatThrownBy(call::run)
        .isInstanceOfSatisfying(RealmException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void aStepThatTheEngineRefusesCostsNoTokens() {
    ResourceLimits limits =
        ResourceLimits.builder().maxKvBlocks(1).promptTokensPerMinute(200).build();
    manager.create(A, RealmPolicy.of(limits));
    for (int i = 0; i < 5; i++) {
      refused(() -> ask("word ".repeat(40), "{\"raw\": true}"), "KV_LIMIT");
    }
    assertThat(ask(FRANCE, "{}").text()).contains("Paris");
  }

  @Test
  void sequencesAndWaitingStepsAreBoundedThroughTheRuntime() throws IOException {
    byte[] bestOfN = ExampleGuest.bytes("best_of_n");
    String six = "{\"n\":6,\"temperature\":1,\"seed\":1}";
    manager.create(A, RealmPolicy.of(ResourceLimits.builder().maxSequences(3).build()));
    manager.deploy(A, bestOfN);
    refused(() -> ask(FRANCE, six), "SEQUENCE_LIMIT");
    manager.remove(A);
    // Six steps at once, of sequences that have begun: twice the limit may wait.
    manager.create(A, RealmPolicy.of(ResourceLimits.builder().maxQueuedSteps(2).build()));
    manager.deploy(A, bestOfN);
    refused(() -> ask(FRANCE, six), "QUEUE_FULL");
    assertThat(ask(FRANCE, "{\"n\":2,\"temperature\":1,\"seed\":1}").text()).isNotBlank();
  }

  /// Emits a letter, which its caller can wait in, then traps.
  private static byte[] failing() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function(
        "generate",
        1,
        0,
        new Code()
            .storeConstant(0, 'x')
            .constant(0)
            .constant(1)
            .call(emit)
            .unreachable()
            .constant(0));
    return module.build();
  }

  private static byte[] working() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, new Code().constant(0));
    return module.build();
  }

  @Test
  void aLateFailureOfTheVersionBeforeDoesNotOpenTheBreakerOfTheNext() throws Exception {
    manager.create(A, FREE.withBreaker(1, Duration.ofHours(1)));
    manager.deploy(A, failing());
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch deployed = new CountDownLatch(1);
    GuestOutput waiting =
        text -> {
          started.countDown();
          try {
            assertThat(deployed.await(60, TimeUnit.SECONDS)).isTrue();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        };
    try (ExecutorService caller = Executors.newSingleThreadExecutor()) {
      Future<CallResult> old =
          caller.submit(() -> manager.generate(A, "sample", FRANCE, "{}", waiting));
      assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();
      manager.deploy(A, working());
      deployed.countDown();
      assertThatThrownBy(() -> old.get(60, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(GuestTrapException.class);
    }
    assertThat(manager.status(A).breakerOpen()).isFalse();
    assertThat(ask(FRANCE, "{}").value()).isZero();
  }
}
