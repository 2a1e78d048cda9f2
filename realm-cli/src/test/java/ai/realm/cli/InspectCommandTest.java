package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class InspectCommandTest {
  /// What the issue allows a malformed file to cost.
  private static final Duration LIMIT = Duration.ofMillis(100);

  @TempDir Path folder;

  private static Invocation inspect(Path file, String... options) {
    String[] args = new String[options.length + 2];
    args[0] = "inspect";
    args[1] = file.toString();
    System.arraycopy(options, 0, args, 2, options.length);
    return Invocation.of(args);
  }

  @Test
  void saysWhatTheFileIsAndThatItRunsHere() {
    Invocation inspect = inspect(SampleModel.path(), "--only", "summary");
    assertThat(inspect.code()).isZero();
    assertThat(inspect.err()).isEmpty();
    assertThat(inspect.out())
        .contains("GGUF v3, 5.3 MiB, 56 tensors, 5.2 M weights")
        .contains("architecture llama")
        .contains("weights as Q8_0")
        .contains("runs here: yes, on the ")
        .contains("keys and values 1.5 MiB for 512 tokens");
  }

  @Test
  void listsEveryMetadataKeyOnOneLine() {
    Invocation inspect = inspect(SampleModel.path(), "--only", "metadata");
    assertThat(inspect.out().lines())
        .anyMatch(line -> line.matches(" +general.architecture +string \"llama\""))
        .anyMatch(line -> line.matches(" +llama.block_count +u32 6"))
        .anyMatch(line -> line.contains("tokenizer.ggml.tokens") && line.contains("string[1792]"))
        .allMatch(line -> line.length() < 250);
  }

  @Test
  void listsEveryTensorWithTypeShapeAndSize() {
    Invocation inspect = inspect(SampleModel.path(), "--only", "tensors");
    assertThat(inspect.out().lines())
        .anyMatch(line -> line.matches(" +token_embd.weight +Q8_0 +\\(256, 1792\\) +476.0 KiB"));
  }

  @Test
  void unknownArchitectureIsNamedWithThoseThatRun() throws Exception {
    byte[] file = Files.readAllBytes(SampleModel.path());
    int at = new String(file, 0, 4096, StandardCharsets.ISO_8859_1).indexOf("llama");
    System.arraycopy("lemur".getBytes(StandardCharsets.UTF_8), 0, file, at, 5);
    Path lemur = Files.write(folder.resolve("lemur.gguf"), file);
    assertThat(inspect(lemur, "--only", "summary").out())
        .contains("runs here: no: architecture lemur: expected one of ")
        .contains(", llama, ");
    Invocation run = Invocation.of("run", "--model", lemur.toString(), "Hello");
    assertThat(run.code()).isEqualTo(ExitCode.MODEL);
    assertThat(run.err()).hasLineCount(1).startsWith("realm: ").contains("lemur");
  }

  @Test
  void missingFileIsOneSentence() {
    Invocation inspect = inspect(folder.resolve("none.gguf"));
    assertThat(inspect.code()).isNotZero();
    assertThat(inspect.err()).hasLineCount(1).contains("none.gguf").doesNotContain("Exception");
  }

  @Test
  void folderIsOneSentence() {
    Invocation inspect = inspect(folder);
    assertThat(inspect.code()).isNotZero();
    assertThat(inspect.err()).hasLineCount(1).doesNotContain("Exception");
  }

  @Test
  void emptyFileAndTextFileAreOneSentenceEachAndTheModelCode() throws Exception {
    Path text = Files.writeString(folder.resolve("notes.gguf"), "Dear diary, today\n".repeat(40));
    Path empty = Files.createFile(folder.resolve("empty.gguf"));
    for (Path file : new Path[] {text, empty}) {
      Invocation inspect = inspect(file);
      assertThat(inspect.code()).isEqualTo(ExitCode.MODEL);
      assertThat(inspect.err()).hasLineCount(1).startsWith("realm: ").contains("offset 0");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 23, 24, 100, 1000, 20_000, 60_000, 1_000_000})
  void truncatedFileIsOneSentenceWithinTheLimit(int length) throws Exception {
    byte[] whole = Files.readAllBytes(SampleModel.path());
    Path cut = folder.resolve("cut.gguf");
    Files.write(cut, java.util.Arrays.copyOf(whole, length));
    // Processor time, the best of five: the first loads classes, and other processes take turns.
    // Waiting
    // counts in the reader's own tests.
    ThreadMXBean clock = ManagementFactory.getThreadMXBean();
    long best = Long.MAX_VALUE;
    for (int i = 0; i < 5; i++) {
      long started = clock.getCurrentThreadCpuTime();
      Invocation inspect = inspect(cut);
      best = Math.min(best, clock.getCurrentThreadCpuTime() - started);
      assertThat(inspect.code()).isEqualTo(ExitCode.MODEL);
      assertThat(inspect.err()).hasLineCount(1).startsWith("realm: ");
    }
    assertThat(Duration.ofNanos(best)).isLessThan(LIMIT);
  }

  @Test
  void textOfAHostileFileCannotDriveTheTerminal() throws Exception {
    byte[] whole = Files.readAllBytes(SampleModel.path());
    byte[] name = "general.architecture".getBytes(StandardCharsets.UTF_8);
    int at =
        new String(whole, 0, 4096, StandardCharsets.ISO_8859_1)
            .indexOf(new String(name, StandardCharsets.UTF_8));
    whole[at] = 0x1b;
    Path hostile = Files.write(folder.resolve("hostile.gguf"), whole);
    Invocation inspect = inspect(hostile);
    assertThat(inspect.out() + inspect.err()).doesNotContain("\u001b").contains("\\u{1b}eneral");
  }
}
