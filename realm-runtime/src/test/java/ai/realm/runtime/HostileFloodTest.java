package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// W13: what a guest hands to its caller is bounded, whatever it is.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class HostileFloodTest extends SampleFixture {
  private RealmRuntime runtime(byte[] guest, GuestLimits limits) {
    RealmRuntime runtime =
        new RealmRuntime(sample(), ResourceLimits.unbounded(limits), GuestTools.NONE);
    runtime.loadWasm(guest);
    return runtime;
  }

  /// Counts what comes out.
  private static final class Counting implements GuestOutput {
    long bytes;

    @Override
    public void text(String text) {
      bytes += text.length();
    }

    @Override
    public void token(int id) {
      bytes += Call.RECORD_BYTES;
    }

    @Override
    public void event(int kind, byte[] data) {
      bytes += Call.RECORD_BYTES + data.length;
    }
  }

  @ParameterizedTest
  @CsvSource({"emit_event, 60000", "emit_event, 0", "emit_token, 0"})
  void floodOfOutputIsStopped(String name, int length) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", name, name.equals("emit_event") ? 3 : 1);
    module.memory(1, 1);
    Code arguments =
        name.equals("emit_event")
            ? new Code().constant(1).constant(0).constant(length)
            : new Code().constant(1);
    module.function(
        "flood",
        0,
        0,
        new Code()
            .raw(0x03, 0x40)
            .append(arguments)
            .call(emit)
            .drop()
            .raw(0x0c, 0, 0x0b)
            .constant(0));
    Counting output = new Counting();
    try (RealmRuntime runtime = runtime(module.build(), GuestLimits.DEFAULT)) {
      assertThatThrownBy(() -> runtime.callFunction("flood", output))
          .isInstanceOfSatisfying(
              GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("OUTPUT_LIMIT"));
      assertThat(output.bytes)
          .isBetween((long) Call.MAX_OUTPUT - Call.RECORD_BYTES - length, (long) Call.MAX_OUTPUT);
    }
  }

  /// A call that has logged enough is told so, and goes on.
  @ParameterizedTest
  @ValueSource(ints = {0, 100})
  void floodOfLogsIsRefused(int length) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int log = module.importFunction("realm_host", "log", 3);
    module.memory(1, 1);
    Code line = new Code().constant(1).constant(0).constant(length).call(log);
    // The number of lines until one is refused; then the refusal of the next.
    Code flood = new Code().raw(0x03, 0x40).append(line).raw(0x45, 0x04, 0x40);
    flood.get(0).constant(1).raw(0x6a).set(0).raw(0x0c, 1, 0x0b, 0x0b).get(0);
    module.function("flood", 0, 1, flood);
    module.function("again", 0, 0, new Code().append(line).drop().append(line));
    int counted = length + Call.RECORD_BYTES;
    long[] lines = new long[1];
    GuestOutput output =
        new GuestOutput() {
          @Override
          public void text(String text) {}

          @Override
          public void log(int level, String line) {
            lines[0]++;
          }
        };
    try (RealmRuntime runtime =
        runtime(module.build(), GuestLimits.DEFAULT.withLogBytes(10 * counted))) {
      assertThat(runtime.callFunction("flood", output).value()).isEqualTo(10);
      assertThat(lines[0]).isEqualTo(10);
      assertThat(runtime.callFunction("again", output).value()).isZero();
    }
    try (RealmRuntime runtime =
        runtime(module.build(), GuestLimits.DEFAULT.withLogBytes(counted))) {
      assertThatThrownBy(() -> runtime.callFunction("again", output))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("LOG_LIMIT"));
    }
  }
}
