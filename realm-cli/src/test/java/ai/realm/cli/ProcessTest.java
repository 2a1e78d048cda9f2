package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.io.File;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The command as a process of its own: what signals, streams and exit codes do there.
@Timeout(120)
final class ProcessTest {
  private static Process start(String... args) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Drealm.home=" + SampleModel.repositoryRoot(),
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            "ai.realm.cli.Main"));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.directory(new File(System.getProperty("java.io.tmpdir")));
    // The command writes UTF-8 whatever the locale says.
    builder.environment().put("LC_ALL", "C");
    return builder.start();
  }

  /// An answer that takes seconds: the naive backend on one thread, so hot that it finds no end.
  private static Process startLongAnswer() throws Exception {
    return start(
        "run",
        "--raw",
        "--backend",
        "naive",
        "-t",
        "1",
        "-n",
        "480",
        "--min-tokens",
        "480",
        "--temperature",
        "3",
        "--seed",
        "7",
        "Once upon a time");
  }

  private static String text(InputStream stream) throws Exception {
    return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
  }

  @Test
  void bundledModelIsFoundFromAnotherWorkingDirectory() throws Exception {
    Process process = start("run", "What is the capital of France?");
    assertThat(text(process.getInputStream())).isEqualTo("The capital of France is Paris.\n");
    assertThat(text(process.getErrorStream())).contains("11 prompt tokens, 7 new tokens");
    assertThat(process.waitFor()).isZero();
  }

  @Test
  void answerIsTheSameFromAWorker() throws Exception {
    Process process = start("run", "--isolation", "worker", "What is the capital of France?");
    assertThat(text(process.getInputStream())).isEqualTo("The capital of France is Paris.\n");
    assertThat(text(process.getErrorStream())).contains("11 prompt tokens, 7 new tokens");
    assertThat(process.waitFor()).isZero();
    Process unknown = start("run", "--isolation", "elsewhere", "Hello");
    assertThat(text(unknown.getErrorStream()))
        .contains("expected in-process or worker, found 'elsewhere'");
    assertThat(unknown.waitFor()).isEqualTo(2);
  }

  @Test
  void interruptEndsTheAnswerCleanly() throws Exception {
    Process process = startLongAnswer();
    InputStream out = process.getInputStream();
    assertThat(out.read()).as("the answer has begun").isNotNegative();
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
    assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
    String err = text(process.getErrorStream());
    assertThat(err).contains("new tokens, ").contains("first token after").doesNotContain("\tat ");
    assertThat(text(out)).endsWith("\n");
    assertThat(err).contains("stopped");
    assertThat(process.exitValue()).isEqualTo(ExitCode.INTERRUPTED);
  }

  @Test
  void closedOutputEndsTheAnswer() throws Exception {
    Process process = startLongAnswer();
    InputStream out = process.getInputStream();
    assertThat(out.read()).isNotNegative();
    out.close();
    assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(text(process.getErrorStream())).contains("realm: standard output was closed");
    assertThat(process.exitValue()).isEqualTo(ExitCode.FAILURE);
  }

  @Test
  void whatIsNoAdapterIsRefusedByItsName() throws Exception {
    String model = SampleModel.path().toString();
    Process process = start("run", "--lora", model, "Hello");
    assertThat(text(process.getInputStream())).isEmpty();
    assertThat(text(process.getErrorStream()))
        .contains("adapter " + model + ": key general.type: expected adapter, found model");
    assertThat(process.waitFor()).isNotZero();
  }

  @Test
  void missingModelIsOneSentenceOnStandardError() throws Exception {
    Process process = start("run", "--model", "/no/such/file.gguf", "Hello");
    assertThat(text(process.getInputStream())).isEmpty();
    assertThat(text(process.getErrorStream()).lines().filter(line -> !line.startsWith("WARNING")))
        .hasSize(1)
        .first()
        .asString()
        .startsWith("realm: ")
        .contains("/no/such/file.gguf");
    assertThat(process.waitFor()).isNotZero();
  }

  @Test
  void interruptedGuestThatSpinsIsStoppedAndRecorded(@TempDir Path folder) throws Exception {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int emit = module.importFunction("realm_host", "emit_text", 2);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    Code spin = new Code().storeConstant(0, 'A').constant(0).constant(1).call(emit).drop();
    module.function("generate", 1, 0, spin.forever().constant(0));
    Path guest = Files.write(folder.resolve("spin.wasm"), module.build());
    Path recording = folder.resolve("spin.recording");
    Process process = start("guest", "run", "-o", recording.toString(), guest.toString(), "Hello");
    assertThat(process.getInputStream().read()).isEqualTo('A');
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
    assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    String err = text(process.getErrorStream());
    assertThat(err).contains("realm: the guest did not end in time", "[recorded in " + recording);
    assertThat(process.exitValue()).isEqualTo(ExitCode.INTERRUPTED);
    assertThat(Files.readString(recording))
        .contains("{\"failed\":\"GUEST_CANCELLED\"}\n{\"calls\":2,\"host_calls\":1}");
  }
}
