package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Guests run, recorded and tested from the command line.
final class GuestCommandTest {
  private static final String MODEL = SampleModel.path().toString();
  private static final Path BUILT = SampleModel.repositoryRoot().resolve("guests/built");

  @Test
  void recordedGuestIsTestedWithoutAModel(@TempDir Path folder) {
    String recording = folder.resolve("france.recording").toString();
    String guest = BUILT.resolve("plain.wasm").toString();
    Invocation run =
        Invocation.of(
            "guest",
            "run",
            "-m",
            MODEL,
            "--record",
            recording,
            guest,
            "What is the capital of France?");
    assertThat(run.out()).isEqualTo("The capital of France is Paris.\n");
    assertThat(run.err()).contains("11 prompt tokens, 7 new tokens").contains("recorded in");
    Invocation same = Invocation.of("guest", "test", guest, recording);
    assertThat(same.code()).isZero();
    assertThat(same.out()).contains("same, ");
    Invocation other =
        Invocation.of("guest", "test", BUILT.resolve("best_of_n.wasm").toString(), recording);
    assertThat(other.code()).isEqualTo(ExitCode.FAILURE);
    assertThat(other.out()).contains("different: call ").contains("expected ");
  }

  @Test
  void toolsOfTheCommandLineAnswerAndAreRecorded(@TempDir Path folder) {
    String recording = folder.resolve("sum.recording").toString();
    String guest = BUILT.resolve("react.wasm").toString();
    String config =
        "{\"tool\":\"add\",\"action\":\"\",\"until\":\" =\",\"before\":\" \",\"after\":\"\"}";
    String[] command = {
      "guest",
      "run",
      "-m",
      MODEL,
      "--record",
      recording,
      "--events",
      "--config",
      config,
      "--tool",
      "add=awk '{print $1 + $3}'",
      guest,
      "What is 14 + 9?"
    };
    Invocation run = Invocation.of(command);
    assertThat(run.out()).as(run.err()).isEqualTo("14 + 9 = 23.\n");
    assertThat(run.err()).contains("[event 1, 10 bytes: \"14 + 9\\t23\\n\"]");
    assertThat(Invocation.of("guest", "test", guest, recording).out()).contains("same, ");
    command[10] = "add=exit 3";
    Invocation failed = Invocation.of(command);
    assertThat(failed.code()).isEqualTo(ExitCode.FAILURE);
    assertThat(failed.err())
        .contains("[recorded in ")
        .contains("realm: tool add: expected exit code 0, found 3");
    assertThat(Invocation.of("guest", "test", guest, recording).out()).contains("same, ");
  }

  @Test
  void runThatFailsIsRecorded(@TempDir Path folder) {
    Path recording = folder.resolve("long.recording");
    String guest = BUILT.resolve("plain.wasm").toString();
    Invocation run =
        Invocation.of(
            "guest",
            "run",
            "-m",
            MODEL,
            "--record",
            recording.toString(),
            guest,
            "a fox ".repeat(2000));
    assertThat(run.code()).isEqualTo(ExitCode.FAILURE);
    assertThat(run.err()).contains("realm: guest: generate: ").contains("[recorded in ");
    assertThat(Invocation.of("guest", "test", guest, recording.toString()).out())
        .contains("same, ");
  }

  @Test
  void logAndEventsComeBesideTheTextWithoutControlCharacters(@TempDir Path folder)
      throws IOException {
    Path guest = Files.write(folder.resolve("talking.wasm"), talking());
    Invocation quiet = Invocation.of("guest", "run", "-m", MODEL, guest.toString(), "Hello");
    assertThat(quiet.out()).as(quiet.err()).isEqualTo("A\u001bB\n");
    assertThat(quiet.err()).contains("[guest warning: A\ufffdB]").doesNotContain("event");
    Invocation loud =
        Invocation.of("guest", "run", "-m", MODEL, "--events", guest.toString(), "Hello");
    assertThat(loud.err()).contains("[event 7, 3 bytes: 411b42]");
  }

  /// Says `A`, escape, `B` in three ways.
  private static byte[] talking() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    int event = module.importFunction("realm_host", "emit_event", 3);
    int log = module.importFunction("realm_host", "log", 3);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    Code body = new Code().storeConstant(0, 0x421b41);
    body.constant(0).constant(3).call(emit).drop();
    body.constant(7).constant(0).constant(3).call(event).drop();
    body.constant(1).constant(0).constant(3).call(log);
    module.function("generate", 1, 0, body);
    module.function("unload_model", 1, 0, new Code().constant(0));
    return module.build();
  }

  @Test
  void guestRunsInAWorkerWhereAskedTo() {
    String guest = BUILT.resolve("plain.wasm").toString();
    Invocation run =
        Invocation.of(
            "guest",
            "run",
            "-m",
            MODEL,
            "--isolation",
            "worker",
            guest,
            "What is the capital of France?");
    assertThat(run.err()).contains("7 new tokens");
    assertThat(run.out()).isEqualTo("The capital of France is Paris.\n");
  }

  @Test
  void sequencesThatAGuestSavesAreThereInTheNextRun(@TempDir Path folder) {
    String guest = BUILT.resolve("resume.wasm").toString();
    String preamble = "{\"preamble\":\"%s\"}".formatted("Mia has a fox. ".repeat(20));
    String[] command = {
      "guest",
      "run",
      "-m",
      MODEL,
      "--saved-kv-dir",
      folder.resolve("kv").toString(),
      "--saved-kv-limit",
      "8M",
      "--config",
      preamble,
      guest,
      "What is the capital of France?"
    };
    Invocation first = Invocation.of(command);
    Invocation second = Invocation.of(command);
    assertThat(second.out()).isEqualTo(first.out()).isNotBlank();
    assertThat(promptTokens(first)).isGreaterThan(100);
    assertThat(promptTokens(second)).isLessThan(20);
    command[7] = "lots";
    Invocation wrong = Invocation.of(command);
    assertThat(wrong.code()).isEqualTo(ExitCode.USAGE);
    assertThat(wrong.err()).contains("--saved-kv-limit").contains("found 'lots'");
  }

  private static int promptTokens(Invocation run) {
    Matcher line = Pattern.compile("\\[(\\d+) prompt tokens").matcher(run.err());
    assertThat(line.find()).as(run.err()).isTrue();
    return Integer.parseInt(line.group(1));
  }

  @Test
  void runSavesAndOpensWithTheDefaultGuest(@TempDir Path folder) {
    String[] first = {
      "run",
      "-m",
      MODEL,
      "--saved-kv-dir",
      folder.toString(),
      "--raw",
      "--max-tokens",
      "8",
      "--sampling",
      "save=fox",
      "Once upon a time there was a fox"
    };
    assertThat(Invocation.of(first).code()).isZero();
    Invocation second =
        Invocation.of(
            "run",
            "-m",
            MODEL,
            "--saved-kv-dir",
            folder.toString(),
            "--raw",
            "--max-tokens",
            "8",
            "--sampling",
            "open=fox",
            " and then");
    assertThat(second.code()).as(second.err()).isZero();
    assertThat(second.out()).isNotBlank();
    Invocation none = Invocation.of("run", "-m", MODEL, "--raw", "--sampling", "open=fox", "Hello");
    assertThat(none.code()).isNotZero();
    assertThat(none.err()).contains("saved sequence of that name");
  }

  @Test
  void guestRunTakesAnAdapterAndBenchSaysThatItTakesNone() {
    String guest = BUILT.resolve("plain.wasm").toString();
    Invocation run = Invocation.of("guest", "run", "-m", MODEL, "--lora", MODEL, guest, "Hello");
    assertThat(run.code()).isNotZero();
    assertThat(run.err()).contains("expected adapter, found model");
    Invocation bench = Invocation.of("bench", "-m", MODEL, "--lora", MODEL);
    assertThat(bench.code()).isNotZero();
    assertThat(bench.err()).contains("--lora");
  }

  @Test
  void wrongFilesAreOneSentence(@TempDir Path folder) throws IOException {
    Path text = Files.writeString(folder.resolve("text"), "no module, no recording");
    Invocation guest = Invocation.of("guest", "run", "-m", MODEL, text.toString(), "Hello");
    assertThat(guest.code()).isEqualTo(ExitCode.FAILURE);
    assertThat(guest.err()).startsWith("realm: guest").doesNotContain("\tat ");
    Invocation recording = Invocation.of("guest", "test", "default", text.toString());
    assertThat(recording.code()).isEqualTo(ExitCode.FAILURE);
    assertThat(recording.err()).contains("line 1: expected the head of a recording");
  }

  /// A guest whose `generate` is that body.
  private static WasmModuleBuilder answering(Code generate) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, generate);
    return module;
  }

  @Test
  void guestNeedsNoUnloadModel(@TempDir Path folder) throws IOException {
    Path guest =
        Files.write(folder.resolve("short.wasm"), answering(new Code().constant(0)).build());
    Invocation run = Invocation.of("guest", "run", "-m", MODEL, guest.toString(), "Hello");
    assertThat(run.err()).contains("0 host calls").doesNotContain("realm: ");
    assertThat(run.code()).isZero();
  }

  @Test
  void exportsAreCheckedBeforeTheGuestRuns(@TempDir Path folder) throws IOException {
    WasmModuleBuilder module = new WasmModuleBuilder();
    module.function("load_model", 0, 0, new Code().unreachable());
    Path none = Files.write(folder.resolve("none.wasm"), module.build());
    module.function("generate", 2, 0, new Code().constant(0));
    Path other = Files.write(folder.resolve("other.wasm"), module.build());
    assertThat(Invocation.of("guest", "run", "-m", MODEL, none.toString(), "Hello").err())
        .contains(
            "guest export generate: expected a function of 1 i32 parameters and an i32 result,"
                + " found none");
    assertThat(Invocation.of("guest", "run", "-m", MODEL, other.toString(), "Hello").err())
        .contains("guest export generate: expected", "found (i32, i32) -> (i32)");
  }

  @Test
  void whereARecordingCannotBeIsSaidBeforeTheModelRuns(@TempDir Path folder) throws IOException {
    Path there = Files.writeString(folder.resolve("there"), "");
    String guest = BUILT.resolve("plain.wasm").toString();
    for (String[] wrong :
        new String[][] {
          {"/", "expected a file to write, found a folder"},
          {folder.toString(), "expected a file to write, found a folder"},
          {folder.resolve("no/x.rec").toString(), "expected a file in a folder that is there"},
          {there.resolve("x.rec").toString(), "expected a file in a folder that is there"},
          {"/dev/null", "expected a file to write, found what is no plain file"}
        }) {
      Invocation run =
          Invocation.of("guest", "run", "-m", "/no/model", "-o", wrong[0], guest, "Hello");
      assertThat(run.code()).isEqualTo(ExitCode.FAILURE);
      assertThat(run.err()).startsWith("realm: " + wrong[0] + ": " + wrong[1]);
    }
    assertThat(folder)
        .isDirectoryContaining("glob:**/there")
        .isDirectoryNotContaining("glob:**.part");
  }

  private static void assertRefused(String message, String... args) {
    Invocation run = Invocation.of(args);
    assertThat(run.code()).isNotZero();
    assertThat(run.err()).contains(message).doesNotContain("unexpected failure");
  }

  @Test
  void wrongOptionsAreSaidAndNotTakenForOthers(@TempDir Path folder) throws IOException {
    String file = Files.writeString(folder.resolve("file"), "x").toString();
    String latin = Files.write(folder.resolve("latin"), new byte[] {'"', (byte) 0xe4}).toString();
    String there = folder.toString();
    String sampling = "--sampling: expected one of dynatemp_range, ";
    for (String setting : new String[] {"mirostat_tua=5", "regex=a", "json=true", "raw=true"}) {
      assertRefused(sampling, "run", "-m", MODEL, "--sampling", setting, "Hello");
    }
    for (String context : new String[] {"0", "-5", "many"}) {
      assertRefused("at least 1, found '" + context, "run", "-m", MODEL, "-c", context, "Hello");
    }
    assertRefused(
        "above 0, at most 10, found 0.0", "run", "-m", MODEL, "--repeat-penalty", "0", "Hello");
    assertRefused("--lora, found none", "run", "-m", MODEL, "--lora-strength", "2", "Hello");
    assertRefused(
        "--lora-strength: expected a number, found NaN",
        "run",
        "-m",
        MODEL,
        "--lora",
        MODEL,
        "--lora-strength",
        "NaN",
        "Hello");
    assertRefused("found '=x'", "guest", "run", "-m", MODEL, "--tool", "=x", "default", "Hello");
    assertRefused(
        "expected one command for a",
        "guest",
        "run",
        "-m",
        MODEL,
        "--tool",
        "a=x",
        "--tool",
        "a=y",
        "default",
        "Hello");
    assertRefused(
        file + ": expected a folder, found a file",
        "run",
        "-m",
        MODEL,
        "--saved-kv-dir",
        file,
        "Hello");
    assertRefused(
        there + ": expected a file, found a folder",
        "run",
        "-m",
        MODEL,
        "--json-schema",
        there,
        "Hello");
    assertRefused(
        latin + ": expected UTF-8, found other bytes",
        "run",
        "-m",
        MODEL,
        "--grammar",
        latin,
        "Hello");
    assertRefused(
        there + ": expected a file, found a folder", "guest", "run", "-m", MODEL, there, "Hello");
    assertRefused(there + ": expected a file, found a folder", "guest", "test", "default", there);
  }
}
