package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.error.RealmException;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What guests of several tenants keep in host memory.
@Timeout(120)
final class LayerGuestTest {
  private static final TenantId A = new TenantId("a");
  private static final TenantId B = new TenantId("b");
  private static final int NAME = 0;
  private static final int AT = 64;
  private static final int STATS = 1024;

  /// Bytes that the storming guest stores each time.
  private static final int STORM = 2 << 20;

  private Backend backend;
  private MultiRealmManager manager;

  @BeforeEach
  void open() {
    backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
    manager =
        new MultiRealmManager(
            RuntimeConfig.builder(backend)
                .model("sample", SampleModel.path())
                .maxContext(512)
                .memory64Bytes(1 << 20)
                .build(),
            DefaultGuest.bytes());
  }

  @AfterEach
  void close() {
    manager.close();
    backend.close();
  }

  private static RealmPolicy policy(ResourceLimits.Builder limits) {
    return RealmPolicy.of(limits.build()).withFallback(false);
  }

  private interface Body {
    /// Code that leaves the result of `generate` on the stack.
    Code of(int store, int load, int stats);
  }

  private static byte[] guest(Body body) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int store = module.importFunction("realm_host", "memory64_store_layer", 5);
    int load = module.importFunction("realm_host", "memory64_load_layer", 5);
    int stats = module.importFunction("realm_host", "memory64_get_cache_stats", 2);
    module.memory(40, 40);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 1, body.of(store, load, stats));
    return module.build();
  }

  private static Code layer(Code code, int number, int bytes, int function) {
    return code.constant(NAME)
        .constant(4)
        .constant(number)
        .constant(AT)
        .constant(bytes)
        .call(function);
  }

  private int run(TenantId tenant, Body body) {
    manager.deploy(tenant, guest(body));
    return (int) manager.generate(tenant, "sample", "", "{}", GuestOutput.discard()).value();
  }

  /// Stores `bytes` bytes that begin with `value`.
  private int store(TenantId tenant, int number, int bytes, int value) {
    return run(
        tenant,
        (store, load, stats) -> layer(new Code().storeConstant(AT, value), number, bytes, store));
  }

  private int size(TenantId tenant, int number) {
    return run(tenant, (store, load, stats) -> layer(new Code(), number, 4, load));
  }

  /// What a layer of a tenant begins with.
  private int value(TenantId tenant, int number) {
    return run(
        tenant,
        (store, load, stats) -> layer(new Code(), number, 4, load).drop().constant(AT).load());
  }

  private int stat(TenantId tenant, int index) {
    return run(
        tenant,
        (store, load, stats) ->
            new Code()
                .constant(STATS)
                .constant(48)
                .call(stats)
                .drop()
                .constant(STATS + 8 * index)
                .load());
  }

  private static void assertCode(Throwable failure, String code) {
    assertThat(failure)
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code));
  }

  static Stream<Isolation> isolations() {
    return Stream.of(Isolation.inProcess(), Isolation.worker());
  }

  @ParameterizedTest
  @MethodSource("isolations")
  void storingGuestThatIsInterruptedHarmsNobody(Isolation isolation) {
    GuestLimits brief = GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(700));
    RealmPolicy storming = policy(ResourceLimits.builder().guest(brief)).withIsolation(isolation);
    manager.create(A, storming.withBreaker(100, Duration.ofSeconds(1)));
    manager.create(B, policy(ResourceLimits.builder()));
    assertThat(store(B, 0, 5000, 11)).isZero();
    for (int i = 0; i < 3; i++) {
      // for (;;) { store; load; }
      Body storm =
          (store, load, stats) -> {
            Code code = layer(new Code().raw(0x03, 0x40), 0, STORM, store).drop();
            return layer(code, 0, STORM, load).drop().raw(0x0c, 0, 0x0b).constant(0);
          };
      assertThatThrownBy(() -> run(A, storm)).satisfies(e -> assertCode(e, "GUEST_DEADLINE"));
      assertThat(value(B, 0)).isEqualTo(11);
      assertThat(store(B, 1, 5000, 12 + i)).isZero();
      assertThat(value(B, 1)).isEqualTo(12 + i);
      assertThat(store(A, 1, 5000, 20 + i)).as("the same tenant goes on").isZero();
      assertThat(value(A, 1)).isEqualTo(20 + i);
    }
  }

  @Test
  void boundOfATenantIsItsOwnAndHasACode() {
    manager.create(A, policy(ResourceLimits.builder().layerBytes(3 * 8192)));
    manager.create(B, policy(ResourceLimits.builder()));
    assertThat(store(A, 0, 10_000, 1)).isZero();
    assertThatThrownBy(() -> store(A, 1, 10_000, 2))
        .satisfies(e -> assertCode(e, "LAYER_LIMIT"))
        .isInstanceOf(LimitException.class);
    assertThat(store(B, 1, 10_000, 3)).isZero();
    assertThat(value(A, 0)).isEqualTo(1);
    assertThat(value(B, 1)).isEqualTo(3);
    // A number that the guest does not hand on is EDQUOT and no more.
    int seen =
        run(A, (store, load, stats) -> layer(new Code(), 1, 10_000, store).constant(-1).raw(0x6c));
    assertThat(seen).isEqualTo(-Errno.EDQUOT);
  }

  @Test
  void layersAreGoneWithTheirRealmAndWhenTheTenantIsForgotten() {
    manager.create(A, policy(ResourceLimits.builder()));
    assertThat(store(A, 0, 5000, 1)).isZero();
    assertThat(size(A, 0)).isEqualTo(5000);
    manager.remove(A);
    manager.create(A, policy(ResourceLimits.builder()));
    assertThat(size(A, 0)).isEqualTo(Errno.ENOENT);
    assertThat(store(A, 0, 5000, 2)).isZero();
    manager.forget(A);
    assertThat(size(A, 0)).isEqualTo(Errno.ENOENT);
    assertThat(stat(A, 1)).isZero();
  }

  @Test
  void numbersOfAGuestAreItsOwn() {
    manager.create(A, policy(ResourceLimits.builder()));
    manager.create(B, policy(ResourceLimits.builder()));
    assertThat(store(A, 0, 300_000, 1)).isZero();
    assertThat(size(A, 0)).isEqualTo(300_000);
    int[] before = new int[6];
    for (int i = 0; i < 6; i++) {
      before[i] = stat(A, i);
    }
    assertThat(before).containsExactly(300_000, 1, 1, 0, 0, 1 << 20);
    for (int i = 0; i < 8; i++) {
      assertThat(store(B, i, 300_000, i)).isZero();
      assertThat(size(B, i / 2)).isEqualTo(300_000);
    }
    for (int i = 0; i < 6; i++) {
      assertThat(stat(A, i)).as("number %d", i).isEqualTo(before[i]);
    }
  }
}
