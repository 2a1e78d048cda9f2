package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Guests recorded with the sample model run again without any.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class GuestReplayTest extends SampleFixture {
  private static final String FRANCE = "What is the capital of France?";

  @TempDir private Path folder;

  private Path record(byte[] wasm, String config) {
    Path file = folder.resolve("run.recording");
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      long model = recorder.call("load_model", "sample", "{}").value();
      CallResult answer = recorder.call("generate", model, FRANCE, config);
      recorder.call("unload_model", model);
      assertThat(answer.text()).isNotBlank();
      assertThat(recorder.hostCalls()).isGreaterThan(8);
      recorder.write(file);
    }
    return file;
  }

  @Test
  void defaultGuestReplaysWithoutAModel() {
    Path file = record(DefaultGuest.bytes(), "{\"stop\":[\"nothing like this\"]}");
    GuestReplay.Report report = GuestReplay.run(DefaultGuest.bytes(), file, backend);
    assertThat(report.difference()).isEmpty();
    assertThat(report.text()).isEqualTo("The capital of France is Paris.");
  }

  @Test
  void guestsThatReadLogitsAndForkReplayToo() throws IOException {
    for (String name : List.of("beam_search", "best_of_n", "json")) {
      byte[] wasm = ExampleGuest.bytes(name);
      Path file = record(wasm, "{\"max_tokens\":12,\"width\":2,\"n\":2}");
      assertThat(GuestReplay.run(wasm, file, backend).difference()).as(name).isEmpty();
    }
  }

  @Test
  void anotherGuestLeavesTheRecordingAtItsFirstOtherCall() throws IOException {
    Path file = record(DefaultGuest.bytes(), "{}");
    GuestReplay.Report report = GuestReplay.run(ExampleGuest.bytes("plain"), file, backend);
    assertThat(report.same()).isFalse();
    assertThat(report.difference())
        .startsWith("call 1, load_model: host call 1: expected arg_read(0, *, ")
        .endsWith("found abi_version()");
  }

  @Test
  void otherWordsAreADifference() throws IOException {
    Path file = folder.resolve("words.recording");
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      GuestRecorder recorder = new GuestRecorder(runtime, saying('A'));
      assertThat(recorder.call("say").text()).isEqualTo("A");
      recorder.write(file);
    }
    assertThat(GuestReplay.run(saying('A'), file, backend).same()).isTrue();
    assertThat(GuestReplay.run(saying('B'), file, backend).difference())
        .isEqualTo(
            "call 1, say: host call 1, emit_text: ptr at byte 0: expected \"A\", found \"B\"");
  }

  private static byte[] saying(char c) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    Code body = new Code();
    body.storeConstant(0, c).constant(0).constant(1);
    body.call(emit);
    module.memory(1, 1).function("say", 0, 0, body);
    return module.build();
  }

  @Test
  void damagedRecordingsAreRefusedByLine() throws IOException {
    Path file = record(ExampleGuest.bytes("plain"), "{\"max_tokens\":3}");
    List<String> lines = Files.readAllLines(file);
    byte[] wasm = ExampleGuest.bytes("plain");
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < 60; i++) {
      int line = random.nextInt(lines.size());
      String whole = lines.get(line);
      String cut = whole.substring(0, random.nextInt(whole.length()));
      List<String> damaged = new ArrayList<>(lines);
      damaged.set(line, cut);
      Files.write(file, damaged);
      assertThatThrownBy(() -> GuestReplay.run(wasm, file, backend))
          .isInstanceOfSatisfying(
              RealmException.class, e -> assertThat(e.code()).isEqualTo("RECORDING_INVALID"))
          .hasMessageContaining("line " + (line + 1) + ": expected");
    }
    Files.write(file, lines.subList(0, lines.size() - 1));
    assertThatThrownBy(() -> GuestReplay.run(wasm, file, backend))
        .hasMessageContaining("found the end of the file");
  }
}
