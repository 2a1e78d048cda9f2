package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
}
