package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What can be deployed, and who waits for whom meanwhile.
@Timeout(120)
final class GuestDeploymentTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final TenantId B = new TenantId("b");
  private static final RealmPolicy FREE =
      RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));

  private final RuntimeConfig config = sample();

  static Stream<Isolation> levels() {
    return Stream.of(Isolation.inProcess(), Isolation.worker());
  }

  private static CallResult ask(MultiRealmManager manager, TenantId tenant) {
    return manager.generate(tenant, "sample", "Hello", "{}", GuestOutput.discard());
  }

  private static byte[] guest(int answer) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, new Code().constant(answer));
    return module.build();
  }

  /// A guest that imports this and would work otherwise.
  private static byte[] importing(String module, String name, int parameters) {
    WasmModuleBuilder builder = new WasmModuleBuilder();
    builder.importFunction(module, name, parameters);
    builder.memory(1, 1);
    builder.function("load_model", 0, 0, new Code().constant(1));
    builder.function("generate", 1, 0, new Code().constant(0));
    return builder.build();
  }

  private static byte[] exporting(String load, int loadParameters, String name, int parameters) {
    WasmModuleBuilder builder = new WasmModuleBuilder().memory(1, 1);
    builder.function(load, loadParameters, 0, new Code().constant(1));
    builder.function(name, parameters, 0, new Code().constant(0));
    return builder.build();
  }

  private static byte[] withoutMemory() {
    WasmModuleBuilder builder = new WasmModuleBuilder();
    builder.importFunction("realm_host", "now_ms", 0);
    builder.function("load_model", 0, 0, new Code().constant(1));
    builder.function("generate", 1, 0, new Code().constant(0));
    return builder.build();
  }

  @ParameterizedTest
  @MethodSource("levels")
  void moduleThatCannotRunLeavesTheOneBefore(Isolation isolation) {
    try (MultiRealmManager manager = new MultiRealmManager(config, DefaultGuest.bytes())) {
      manager.create(A, FREE.withIsolation(isolation));
      manager.deploy(A, guest(41));
      refused(
          manager,
          importing("realm_host", "step", 3),
          "guest import realm_host.step: expected 2 i32 parameters and an i32 result, found"
              + " (i32, i32, i32) -> (i32)");
      refused(
          manager,
          importing("realm_host", "kv_neu", 1),
          "guest import realm_host.kv_neu: the host has no such function");
      refused(
          manager,
          importing("env", "step", 2),
          "guest import env.step: the host has no such function");
      refused(
          manager,
          exporting("load_model", 0, "generated", 1),
          "guest export generate: expected a function of 1 i32 parameters and an i32 result, found"
              + " none");
      refused(
          manager,
          exporting("load_model", 0, "generate", 2),
          "guest export generate: expected a function of 1 i32 parameters and an i32 result, found"
              + " (i32, i32) -> (i32)");
      refused(
          manager,
          exporting("load_model", 2, "generate", 1),
          "guest export load_model: expected a function of 0 i32 parameters and an i32 result, found"
              + " (i32, i32) -> (i32)");
      refused(manager, withoutMemory(), "guest memory: expected one");
      assertThat(ask(manager, A).value()).isEqualTo(41);
    }
  }

  private static void refused(MultiRealmManager manager, byte[] wasm, String message) {
    assertThatThrownBy(() -> manager.deploy(A, wasm))
        .isInstanceOf(GuestFormatException.class)
        .hasMessageContaining(message);
  }

  /// Whatever is cut from a module, it is refused and does not fail in another way.
  @Test
  void interfaceOfACutModuleIsRefused() {
    byte[] whole = importing("realm_host", "step", 2);
    GuestInterface.check(
        whole, name -> new HostFunction(name, 2, HostStack.CALL_BYTES, (memory, a) -> 0));
    for (int length = 0; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      try {
        GuestInterface.check(
            cut, name -> new HostFunction(name, 2, HostStack.CALL_BYTES, (memory, a) -> 0));
      } catch (GuestFormatException e) {
        assertThat(e.getMessage()).startsWith("guest");
      }
    }
  }

  /// Compiles when it is told to, and remembers the order.
  private static final class SlowEngine implements GuestEngine {
    private final GuestEngine engine = new EndiveGuestEngine();
    final List<byte[]> compiled = Collections.synchronizedList(new ArrayList<>());
    final CountDownLatch begun = new CountDownLatch(1);
    final CountDownLatch released = new CountDownLatch(1);
    private final byte[] slow;

    SlowEngine(byte[] slow) {
      this.slow = slow;
    }

    @Override
    public Module load(byte[] wasm, GuestLimits limits) {
      if (Arrays.equals(wasm, slow)) {
        begun.countDown();
        try {
          assertThat(released.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
          throw new AssertionError(e);
        }
      }
      compiled.add(wasm);
      return engine.load(wasm, limits);
    }
  }

  @Test
  void tenantThatDeploysALotWaitsInLineOnce() throws Exception {
    SlowEngine engine = new SlowEngine(guest(1));
    try (MultiRealmManager manager =
            new MultiRealmManager(config, DefaultGuest.bytes(), System::nanoTime, engine);
        ExecutorService threads = Executors.newFixedThreadPool(2)) {
      manager.create(A, FREE);
      manager.create(B, FREE);
      Future<?> first = threads.submit(() -> manager.deploy(A, guest(1)));
      assertThat(engine.begun.await(60, TimeUnit.SECONDS)).isTrue();
      for (int i = 2; i < 10; i++) {
        byte[] more = guest(i);
        assertThatThrownBy(() -> manager.deploy(A, more))
            .isInstanceOfSatisfying(
                LimitException.class, e -> assertThat(e.code()).isEqualTo("DEPLOY_PENDING"));
      }
      Future<?> other = threads.submit(() -> manager.deploy(B, guest(20)));
      engine.released.countDown();
      first.get(60, TimeUnit.SECONDS);
      other.get(60, TimeUnit.SECONDS);
      assertThat(ask(manager, A).value()).isEqualTo(1);
      assertThat(ask(manager, B).value()).isEqualTo(20);
      assertThat(engine.compiled).containsExactly(DefaultGuest.bytes(), guest(1), guest(20));
      manager.deploy(A, guest(2));
      assertThat(ask(manager, A).value()).isEqualTo(2);
    }
  }

  /// A deployment that is not done when its tenant goes does not bring it back.
  @Test
  void deploymentOfARemovedTenantIsRefused() throws Exception {
    SlowEngine engine = new SlowEngine(guest(1));
    try (MultiRealmManager manager =
            new MultiRealmManager(config, DefaultGuest.bytes(), System::nanoTime, engine);
        ExecutorService threads = Executors.newFixedThreadPool(1)) {
      manager.create(A, FREE);
      Future<?> late = threads.submit(() -> manager.deploy(A, guest(1)));
      assertThat(engine.begun.await(60, TimeUnit.SECONDS)).isTrue();
      manager.remove(A);
      engine.released.countDown();
      assertThatThrownBy(() -> late.get(60, TimeUnit.SECONDS))
          .cause()
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("NO_REALM"));
      assertThat(manager.has(A)).isFalse();
    }
  }
}
