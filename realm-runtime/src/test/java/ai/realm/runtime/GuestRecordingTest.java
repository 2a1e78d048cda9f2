package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Runs of every kind are recorded and replayed: with tools, in a worker, in other languages, failed,
/// cancelled, refused.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class GuestRecordingTest extends SampleFixture {
  private static final String FRANCE = "What is the capital of France?";
  private static final ResourceLimits UNBOUNDED = ResourceLimits.unbounded(GuestLimits.DEFAULT);

  @TempDir private Path folder;

  /// What is recorded: calls over a runtime.
  private interface Run {
    void on(GuestRecorder recorder, RealmRuntime runtime);
  }

  private Path record(
      byte[] wasm, ResourceLimits limits, GuestTools tools, Isolation isolation, Run run) {
    Path file = folder.resolve("run.recording");
    RuntimeConfig config = sample();
    try (RealmRuntime runtime = new RealmRuntime(config, limits, tools, isolation)) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      run.on(recorder, runtime);
      recorder.write(file);
    }
    return file;
  }

  private Path record(byte[] wasm, ResourceLimits limits, Run run) {
    return record(wasm, limits, GuestTools.NONE, Isolation.inProcess(), run);
  }

  private static void generate(GuestRecorder recorder, String prompt, String config) {
    long model = recorder.call("load_model", "sample", "{}").value();
    recorder.call("generate", model, prompt, config);
    recorder.call("unload_model", model);
  }

  private void assertSame(byte[] wasm, Path file) {
    assertThat(GuestReplay.run(wasm, file, backend).difference()).isEmpty();
  }

  private static Run failing(String code, Consumer<GuestRecorder> call) {
    return (recorder, runtime) ->
        assertThatThrownBy(() -> call.accept(recorder))
            .isInstanceOfSatisfying(
                RealmException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  // ---- kinds of guests --------------------------------------------------------------------------

  @Test
  void toolsAreNotAskedAgain() throws IOException {
    byte[] wasm = ExampleGuest.bytes("react");
    GuestTools tools = new GuestTools(Map.of("add", question -> "23"));
    String config =
        "{\"tool\":\"add\",\"action\":\"\",\"until\":\" =\",\"before\":\" \",\"after\":\"\"}";
    for (Isolation isolation : List.of(Isolation.inProcess(), Isolation.worker())) {
      Path file =
          record(
              wasm,
              UNBOUNDED,
              tools,
              isolation,
              (recorder, runtime) -> generate(recorder, "What is 14 + 9?", config));
      GuestReplay.Report report = GuestReplay.run(wasm, file, backend);
      assertThat(report.difference()).isEmpty();
      assertThat(report.text()).isEqualTo("14 + 9 = 23.");
    }
  }

  @Test
  void guestsInRustAndAssemblyScriptReplay() throws IOException {
    Map<String, String> guests =
        Map.of(
            "tree_of_thought", "{\"depth\":2,\"branch\":3,\"keep\":2,\"temperature\":1.1}",
            "watermark", "{\"key\":5,\"delta\":4,\"temperature\":1.2,\"max_tokens\":20}",
            "resume", "{\"preamble\":\"Mia has a fox.\"}",
            "redact", "{\"secrets\":[\"is Par\"]}",
            "vote", "{\"n\":5,\"temperature\":1.2}");
    for (Map.Entry<String, String> guest : guests.entrySet()) {
      byte[] wasm = ExampleGuest.bytes(guest.getKey());
      Path file =
          record(
              wasm, UNBOUNDED, (recorder, runtime) -> generate(recorder, FRANCE, guest.getValue()));
      assertThat(GuestReplay.run(wasm, file, backend).difference()).as(guest.getKey()).isEmpty();
    }
  }

  @Test
  void recordingsStaySmall() throws IOException {
    byte[] wasm = ExampleGuest.bytes("plain");
    Path file =
        record(
            wasm,
            UNBOUNDED,
            (recorder, runtime) ->
                generate(recorder, "Tell me a story.", "{\"max_tokens\":100,\"ignore_end\":1}"));
    assertThat(Files.size(file)).isLessThan(100 * 400);
  }

  // ---- runs that fail ---------------------------------------------------------------------------

  @Test
  void refusalsOfTheHostAreHeardAgain() throws IOException {
    byte[] asking = DefaultGuest.bytes();
    Path file =
        record(
            asking,
            UNBOUNDED,
            failing("SAMPLER_INVALID", r -> generate(r, FRANCE, "{\"typical_p\":7}")));
    assertSame(asking, file);
    byte[] plain = ExampleGuest.bytes("plain");
    file =
        record(
            plain,
            ResourceLimits.builder().guest(GuestLimits.DEFAULT).newTokensPerMinute(3).build(),
            failing("NEW_TOKEN_RATE", r -> generate(r, FRANCE, "{}")));
    assertSame(plain, file);
    file =
        record(
            plain,
            ResourceLimits.builder().guest(GuestLimits.DEFAULT).maxKvBlocks(1).build(),
            failing("KV_LIMIT", r -> generate(r, "a fox ".repeat(200), "{}")));
    assertSame(plain, file);
    file =
        record(
            plain,
            ResourceLimits.builder().guest(GuestLimits.DEFAULT).hostCallsPerSecond(6).build(),
            failing("HOST_CALL_RATE", r -> generate(r, FRANCE, "{}")));
    assertSame(plain, file);
  }

  @Test
  void cancelledRunsReplayAsCancelled() {
    byte[] wasm = DefaultGuest.bytes();
    Path file =
        record(
            wasm,
            UNBOUNDED,
            (recorder, runtime) -> {
              long model = recorder.call("load_model", "sample", "{}").value();
              GuestOutput output = text -> runtime.cancel();
              CallResult result = recorder.call("generate", output, model, FRANCE, "{}");
              assertThat(result.value()).isEqualTo(Errno.ECANCELED);
            });
    assertSame(wasm, file);
  }

  @Test
  void callersThatListenNoMoreEndTheReplayToo() throws IOException {
    byte[] wasm = ExampleGuest.bytes("plain");
    GuestOutput closed =
        text -> {
          throw new UncheckedIOException(new IOException("closed"));
        };
    Path file =
        record(
            wasm,
            UNBOUNDED,
            (recorder, runtime) -> {
              long model = recorder.call("load_model", "sample", "{}").value();
              assertThatThrownBy(() -> recorder.call("generate", closed, model, FRANCE, "{}"))
                  .isInstanceOf(UncheckedIOException.class);
            });
    assertThat(Files.readString(file)).contains("\n{\"failed\":\"OUTPUT_CLOSED\"}\n{\"calls\":2,");
    assertSame(wasm, file);
  }

  @Test
  void trapsAndSpinningGuestsReplay() {
    byte[] wasm = failingGuest();
    GuestLimits limits = GuestLimits.DEFAULT.withCpuTime(Duration.ofMillis(200));
    Path file =
        record(
            wasm,
            ResourceLimits.unbounded(limits),
            (recorder, runtime) -> {
              failing("GUEST_TRAP", r -> r.call("trap")).on(recorder, runtime);
              failing("GUEST_MEMORY", r -> r.call("outside")).on(recorder, runtime);
              failing("GUEST_CPU", r -> r.call("spin")).on(recorder, runtime);
            });
    assertSame(wasm, file);
  }

  @Test
  void memoryIsBoundedAsItWas() {
    byte[] wasm = failingGuest();
    GuestLimits limits = GuestLimits.DEFAULT.withMaxMemoryBytes(4 << 16);
    Path file =
        record(
            wasm,
            ResourceLimits.unbounded(limits),
            (recorder, runtime) -> assertThat(recorder.call("grow").value()).isEqualTo(-1));
    assertSame(wasm, file);
  }

  private static byte[] failingGuest() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 100);
    module.function("trap", 0, 0, new Code().constant(0).constant(1).call(emit).unreachable());
    module.function("outside", 0, 0, new Code().constant(65_536).constant(1).call(emit));
    module.function("spin", 0, 0, new Code().forever().constant(0));
    module.function("grow", 0, 0, new Code().constant(50).grow());
    return module.build();
  }

  // ---- the file ---------------------------------------------------------------------------------

  @Test
  void runThatIsTooLongIsRefusedWhereItIsWritten() throws IOException {
    Path file = folder.resolve("long.recording");
    RuntimeConfig config = sample();
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      GuestRecorder recorder = new GuestRecorder(runtime, ExampleGuest.bytes("watermark"), 50_000);
      generate(recorder, FRANCE, "{\"max_tokens\":30}");
      assertThatThrownBy(() -> recorder.write(file))
          .isInstanceOfSatisfying(
              RealmException.class, e -> assertThat(e.code()).isEqualTo("RECORDING_LARGE"))
          .hasMessageContaining("expected at most 50000 bytes, found more at logits_read");
    }
    assertThat(file).doesNotExist();
  }

  @Test
  void otherVersionsAreRefused() throws IOException {
    byte[] wasm = ExampleGuest.bytes("plain");
    Path file = folder.resolve("old.recording");
    for (int version : new int[] {1, 2}) {
      Files.writeString(
          file, "{\"realm_recording\":%d,\"abi\":1,\"guest\":\"ab\"}\n".formatted(version));
      assertThatThrownBy(() -> GuestReplay.run(wasm, file, backend))
          .hasMessageContaining(
              "line 1: expected realm_recording 3, found %d; record the run again"
                  .formatted(version));
    }
    Files.writeString(file, "{\"realm_recording\":3,\"abi\":7,\"guest\":\"ab\"}\n");
    assertThatThrownBy(() -> GuestReplay.run(wasm, file, backend))
        .hasMessageContaining("line 1: expected abi 1, found 7");
  }

  @Test
  void fileThatCannotBeWrittenIsNamed() throws IOException {
    byte[] wasm = failingGuest();
    Path gone = folder.resolve("gone/x.recording");
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      recorder.call("grow");
      for (Path file : List.of(gone, folder, Path.of("/"))) {
        assertThatThrownBy(() -> recorder.write(file))
            .isInstanceOf(UncheckedIOException.class)
            .hasMessageContaining(file + ": expected a file ");
      }
    }
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files.filter(file -> file.toString().endsWith(".part"))).isEmpty();
    }
  }

  @Test
  void recorderWithoutCallsWritesNothing() throws IOException {
    Path file = folder.resolve("none.recording");
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      GuestRecorder recorder = new GuestRecorder(runtime, ExampleGuest.bytes("plain"));
      assertThatThrownBy(() -> recorder.write(file))
          .hasMessageContaining("expected a call to record, found none");
    }
    assertThat(file).doesNotExist();
  }
}
