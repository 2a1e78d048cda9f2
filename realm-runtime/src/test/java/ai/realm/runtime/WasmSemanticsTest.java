package ai.realm.runtime;

import static ai.realm.runtime.RawModule.part;
import static ai.realm.runtime.RawModule.sections;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/// What the specification's own tests found once (`./dev wasm-spec`), so that every build asks it again.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class WasmSemanticsTest {
  private Backend backend;

  @BeforeAll
  void open() {
    backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
  }

  @AfterAll
  void close() {
    backend.close();
  }

  private RealmRuntime runtime(byte[] guest) {
    RealmRuntime runtime =
        new RealmRuntime(
            RuntimeConfig.of("sample", SampleModel.path(), backend),
            ResourceLimits.unbounded(GuestLimits.DEFAULT),
            GuestTools.NONE);
    runtime.loadWasm(guest);
    return runtime;
  }

  /// `bulk.wast`: what a segment was is gone once it is dropped. Each instance has segments of its own.
  @Test
  void droppedDataIsGone() {
    Code types = new Code().unsigned(1).raw(0x60, 0, 1, 0x7f);
    Code init = new Code().raw(0).constant(5).constant(0).constant(1).raw(0xfc, 8, 0, 0);
    init.constant(5).raw(0x2d, 0, 0, 0x0b);
    Code drop = new Code().raw(0, 0xfc, 9, 0).constant(1).raw(0x0b);
    byte[] module =
        sections(
            part(1, types),
            part(3, new Code().raw(2, 0, 0)),
            part(5, new Code().raw(1, 0, 1)),
            part(7, new Code().raw(2, 4, 'i', 'n', 'i', 't', 0, 0, 4, 'd', 'r', 'o', 'p', 0, 1)),
            part(12, new Code().raw(1)),
            part(
                10,
                new Code()
                    .raw(2)
                    .unsigned(init.toBytes().length)
                    .append(init)
                    .unsigned(drop.toBytes().length)
                    .append(drop)),
            part(11, new Code().raw(1, 1, 1, 42)));
    try (RealmRuntime runtime = runtime(module)) {
      assertThat(runtime.callFunction("init").value()).isEqualTo(42);
      assertThat(runtime.callFunction("drop").value()).isEqualTo(1);
      assertThatThrownBy(() -> runtime.callFunction("init"))
          .isInstanceOf(GuestTrapException.class)
          .hasMessageContaining("out of bounds");
      // After a trap the instance is a new one.
      assertThat(runtime.callFunction("init").value()).isEqualTo(42);
    }
    try (RealmRuntime other = runtime(module)) {
      assertThat(other.callFunction("init").value()).isEqualTo(42);
    }
  }

  /// `ref_null.wast`: the host passes numbers.
  @Test
  void functionOfReferencesIsNotCalled() {
    Code body = new Code().raw(0, 0x20, 0, 0x0b);
    byte[] module =
        sections(
            part(1, new Code().raw(1, 0x60, 1, 0x6f, 1, 0x6f)),
            part(3, new Code().raw(1, 0)),
            part(5, new Code().raw(1, 0, 1)),
            part(7, new Code().raw(1, 1, 'f', 0, 0)),
            part(10, new Code().raw(1).unsigned(body.toBytes().length).append(body)));
    try (RealmRuntime runtime = runtime(module)) {
      assertThatThrownBy(() -> runtime.callFunction("f", 1))
          .isInstanceOf(GuestFormatException.class)
          .hasMessageContaining("guest function f: expected numbers, found ");
    }
  }
}
