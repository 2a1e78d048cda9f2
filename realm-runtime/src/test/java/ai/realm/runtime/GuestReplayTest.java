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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
            "call 1, say: host call 2, emit_text: ptr at byte 0: expected \"A\", found \"B\"");
  }

  private static byte[] saying(char c) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    int random = module.importFunction("realm_host", "random", 2);
    Code body = new Code();
    body.constant(16).constant(4).call(random).drop();
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
  }

  @Test
  void recordingsThatAreCutAreRefusedWhereverTheyEnd() throws IOException {
    byte[] wasm = ExampleGuest.bytes("plain");
    Path file = record(wasm, "{\"max_tokens\":3}");
    List<String> lines = Files.readAllLines(file);
    for (int kept = 0; kept < lines.size(); kept++) {
      Files.write(file, lines.subList(0, kept));
      assertInvalid(wasm, file, "line %d: expected ".formatted(kept + 1));
    }
    for (int lost = 1; lost < lines.size() - 1; lost++) {
      List<String> damaged = new ArrayList<>(lines);
      damaged.remove(lost);
      Files.write(file, damaged);
      assertInvalid(wasm, file, ": expected ");
    }
    List<String> longer = new ArrayList<>(lines);
    longer.add(lines.get(1));
    Files.write(file, longer);
    assertInvalid(wasm, file, "expected the end of the file, found more");
    Files.write(file, List.of(lines.getFirst(), "{\"calls\":0,\"host_calls\":0}"));
    assertInvalid(wasm, file, "line 2: expected a call, found none");
  }

  private void assertInvalid(byte[] wasm, Path file, String message) {
    assertThatThrownBy(() -> GuestReplay.run(wasm, file, backend))
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).isEqualTo("RECORDING_INVALID"))
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          emit_text | "r":0        | "r":99999999999          | a number of 32 bits
          emit_text | "a":[null,1] | "a":[null,4294967297]    | a number of 32 bits
          emit_text | "a":[null,1] | "a":[12,1]               | null for the pointer ptr
          emit_text | ["ptr",0,    | ["ptr",-1,               | offset 0 of ptr
          emit_text | ["ptr",0,    | ["ptr",65536,            | offset 0 of ptr
          emit_text | ["ptr",0,    | ["pt",0,                 | a pointer of emit_text to what is read
          emit_text | ["ptr",0,    | [7,0,                    | a pointer of emit_text to what is read
          emit_text | "QQ=="]      | 5000,"QQ=="]             | a SHA-256
          emit_text | "text"       | "texts"                  | an output, text, token, event, log
          random    | ["ptr",0,    | ["ptr",1,                | bytes within 4 of ptr
          random    | ["ptr",0,    | ["ptr",-1,               | bytes within 4 of ptr
          random    | ["ptr",0,    | ["",67108862,            | bytes within 67108864 of the memory
          random    | ["ptr",0,    | ["requests[0].out_ptr",0,| a pointer of random to what is written
          end             | "end":0      | "end":1e19               | a whole number
          """)
  void damagedValuesAreNotBlamedOnTheGuest(String call, String then, String now, String expected)
      throws IOException {
    byte[] wasm = saying('A');
    Path file = folder.resolve("damaged.recording");
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      recorder.call("say");
      recorder.write(file);
    }
    String text = Files.readString(file);
    int line = text.indexOf("{\"f\":\"" + call);
    int at = text.indexOf(then, Math.max(0, line));
    assertThat(at).as(text).isPositive();
    Files.writeString(file, text.substring(0, at) + now + text.substring(at + then.length()));
    assertInvalid(wasm, file, ": expected " + expected);
  }

  /// A run that a refusal ended (`refused`, `failed`), and one that a host function ended (`x`, `failed`).
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          false | "failed":"SAMPLER_INVALID"  | "failed":"sampler_invalid"  | end  | a code in failed
          false | "failed":"SAMPLER_INVALID"  | "failed":"SAMPLER_INVALIC"  | end  | a failure of
          false | "failed":"SAMPLER_INVALID"  | "failed":""                 | end  | a code in failed
          false | "refused":"SAMPLER_INVALID" | "refused":"SAMPLER_INVAL D" | call | a code in refused
          false | "refused":"SAMPLER_INVALID" | "refused":"SAMPLER_INVALIC" | end  | a failure of
          true  | "x":"GUEST_MEMORY"          | "x":"GUEST-MEMORY"          | call | a code in x
          true  | "x":"GUEST_MEMORY"          | "x":"GUEST_MEMORX"          | end  | a failure of GUEST_MEMORX
          true  | "failed":"GUEST_MEMORY"     | "failed":"GUEST_MEMORX"     | end  | a failure of GUEST_MEMORY
          true  | "failed":"GUEST_MEMORY"     | "end":0                     | end  | the end of say, which failed
          """)
  void damagedCodesAreNotBlamedOnTheGuest(
      boolean traps, String then, String now, String place, String expected) throws IOException {
    byte[] wasm = traps ? outside() : DefaultGuest.bytes();
    Path file = folder.resolve("damaged.recording");
    try (RealmRuntime runtime = new RealmRuntime(sample())) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      assertThatThrownBy(
              () -> {
                if (traps) {
                  recorder.call("say");
                } else {
                  long model = recorder.call("load_model", "sample", "{}").value();
                  recorder.call("generate", model, "Hello", "{\"typical_p\":7}");
                }
              })
          .isInstanceOf(RealmException.class);
      recorder.write(file);
    }
    assertThat(GuestReplay.run(wasm, file, backend).difference()).isEmpty();
    List<String> lines = Files.readAllLines(file);
    int line = 0;
    while (!lines.get(line).contains(then)) {
      line++;
    }
    lines.set(line, lines.get(line).replace(then, now));
    Files.write(file, lines);
    // The call's end is the line before the last.
    int said = place.equals("end") ? lines.size() - 1 : line + 1;
    assertInvalid(wasm, file, "line %d: expected %s".formatted(said, expected));
  }

  /// A guest that says what lies outside of its memory.
  private static byte[] outside() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    module.function("say", 0, 0, new Code().constant(-4).constant(8).call(emit));
    return module.build();
  }
}
