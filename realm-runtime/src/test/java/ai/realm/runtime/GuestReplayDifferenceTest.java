package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// A replay sees everything that a guest says to the host, and nothing of where it keeps it.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class GuestReplayDifferenceTest extends SampleFixture {
  private static final Consumer<AskingGuest> AS_IT_IS = guest -> {};

  @TempDir private Path folder;

  private Path record(byte[] wasm) {
    GuestTools tools = new GuestTools(Map.of("add", question -> "15"));
    Path file = folder.resolve("asking.recording");
    try (RealmRuntime runtime =
        new RealmRuntime(sample(), ResourceLimits.unbounded(GuestLimits.DEFAULT), tools)) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      CallResult result = recorder.call("run");
      assertThat(result.newTokens()).isPositive();
      assertThat(result.text()).endsWith("15");
      recorder.write(file);
    }
    return file;
  }

  private String difference(Consumer<AskingGuest> then, Consumer<AskingGuest> now) {
    Path file = record(AskingGuest.with(then));
    assertThat(GuestReplay.run(AskingGuest.with(then), file, backend).difference()).isEmpty();
    return GuestReplay.run(AskingGuest.with(now), file, backend).difference();
  }

  static Stream<Arguments> changes() {
    return Stream.of(
        change(
            g -> g.prompt = "What is Russia?",
            "host call 2, tokenize: text_ptr at byte 8: expected \"What is France?\", found"
                + " \"What is Russia?\""),
        change(
            g -> g.prompt = "What is it?",
            "host call 2, tokenize: text_len: expected 15, found 11"),
        change(
            g -> g.pattern = "(Yes|Na)",
            "grammar_compile: ptr at byte 6: expected \"(Yes|No)\", found \"(Yes|Na)\""),
        change(g -> g.token = 101, "step: requests[0].tokens_ptr[0]: expected 100, found 101"),
        change(g -> g.temperature = 0.9f, "step: requests[0].temperature: expected 0.8, found 0.9"),
        change(g -> g.room = 2, "host call 2, tokenize: cap: expected 64, found 2"),
        change(g -> g.topK = 20, "step: requests[0].top_k: expected 40, found 20"),
        change(g -> g.flags = 0, "step: requests[0].flags: expected 2, found 0"),
        change(g -> g.maskWord = -2, "step: requests[0].mask_ptr[2]: expected -1, found -2"),
        change(g -> g.usesSampler = true, "expected step(*, 1), found sampler_new("),
        change(g -> g.submits = true, "expected step(*, 1), found step_submit(*, 1)"),
        change(
            g -> g.value = "kept for never",
            "kvs_put: ptr at byte 9: expected \"kept for later\", found \"kept for never\""),
        change(
            g -> g.question = "7 + 9",
            "tool_call: text_ptr at byte 4: expected \"7 + 8\", found \"7 + 9\""));
  }

  private static Arguments change(Consumer<AskingGuest> change, String difference) {
    return Arguments.of(change, difference);
  }

  @ParameterizedTest
  @MethodSource("changes")
  void whatAGuestSaysOtherwiseIsADifference(Consumer<AskingGuest> change, String difference) {
    assertThat(difference(AS_IT_IS, change))
        .startsWith("call 1, run: host call ")
        .contains(difference);
  }

  @Test
  void samplerInsteadOfFieldsIsWhatCounts() {
    assertThat(
            difference(
                guest -> guest.usesSampler = true,
                guest -> {
                  guest.usesSampler = true;
                  guest.sampler = "{\"temperature\":0.6}";
                }))
        .contains("sampler_new: json_ptr at byte 17: expected")
        .contains("0.5}\", found");
  }

  @Test
  void movedDataIsNoDifference() {
    assertThat(difference(AS_IT_IS, guest -> guest.base = 20_000)).isEmpty();
    assertThat(difference(AS_IT_IS, guest -> guest.room = 96))
        .as("more room than the tokens need")
        .isEmpty();
    assertThat(
            difference(
                guest -> {
                  guest.submits = true;
                  guest.usesSampler = true;
                },
                guest -> {
                  guest.submits = true;
                  guest.usesSampler = true;
                  guest.base = 31_416;
                }))
        .isEmpty();
  }

  @Test
  void pointerOutsideOfTheMemoryIsADifference() {
    Path file = folder.resolve("pointers.recording");
    record(reading(65_532), file);
    assertThat(GuestReplay.run(reading(1000), file, backend).difference()).isEmpty();
    assertThat(GuestReplay.run(reading(65_533), file, backend).difference())
        .isEqualTo(
            "call 1, run: host call 1, arg_read: ptr: expected 4 bytes, found fewer up to the memory's end");
    record(reading(65_533), file);
    assertThat(GuestReplay.run(reading(65_534), file, backend).difference()).isEmpty();
    assertThat(GuestReplay.run(reading(65_532), file, backend).difference())
        .isEqualTo(
            "call 1, run: host call 1, arg_read: pointers: expected one outside of the memory, found none");
  }

  @Test
  void bytesOfALayerCount() {
    Path file = folder.resolve("layer.recording");
    record(storing(7, 1024), file);
    assertThat(GuestReplay.run(storing(7, 1024), file, backend).difference()).isEmpty();
    assertThat(GuestReplay.run(storing(7, 4096), file, backend).difference())
        .as("elsewhere")
        .isEmpty();
    assertThat(GuestReplay.run(storing(8, 1024), file, backend).difference())
        .startsWith("call 1, run: host call 1, memory64_store_layer: ptr");
  }

  /// Stores a layer of sixteen bytes that lie at an address.
  private static byte[] storing(int value, int address) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int store = module.importFunction("realm_host", "memory64_store_layer", 5);
    Code code = new Code().storeConstant(address + 12, value).constant(0).constant(4);
    code.constant(3).constant(address).constant(16).call(store);
    module.memory(1, 1).function("run", 0, 0, code);
    return module.build();
  }

  private void record(byte[] wasm, Path file) {
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      try {
        recorder.call("run", "abcdef");
      } catch (GuestTrapException e) {
        assertThat(e.code()).isEqualTo("GUEST_MEMORY");
      }
      recorder.write(file);
    }
  }

  /// Reads four bytes of its argument to an address.
  private static byte[] reading(int address) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int read = module.importFunction("realm_host", "arg_read", 3);
    Code code = new Code().constant(0).constant(address).constant(4).call(read);
    module.memory(1, 1).function("run", 0, 0, code);
    return module.build();
  }
}
