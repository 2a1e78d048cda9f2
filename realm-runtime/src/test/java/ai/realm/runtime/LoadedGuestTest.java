package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A running guest is asked once for each of the host's models, and the host keeps no other names.
@Timeout(60)
final class LoadedGuestTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");

  @AutoClose
  private final MultiRealmManager manager =
      new MultiRealmManager(
          builder().maxContext(256).sequences(4).memory64Bytes(0).build(), DefaultGuest.bytes());

  /// A guest that says to have whatever model it is asked for; its `generate` tells how often it was.
  private static byte[] guest() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    Code count = new Code().constant(0).constant(0).load().constant(1).raw(0x6a).store();
    module.function("load_model", 0, 0, count.constant(1));
    module.function("generate", 1, 0, new Code().constant(0).load());
    return module.build();
  }

  private long loads(String model) {
    return manager.generate(A, model, "Hello", "{}", GuestOutput.discard()).value();
  }

  @Test
  void namesThatAreNoModelsAreNotKept() {
    manager.create(A, RealmPolicy.of(ResourceLimits.builder().build()));
    manager.deploy(A, guest());
    assertThat(loads("sample")).isEqualTo(1);
    assertThat(loads("sample")).as("kept").isEqualTo(1);
    String name = "x".repeat(1 << 20);
    assertThat(loads(name)).isEqualTo(2);
    assertThat(loads(name)).as("not kept").isEqualTo(3);
  }
}
