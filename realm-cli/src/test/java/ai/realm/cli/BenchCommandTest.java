package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BenchCommandTest {
  @TempDir Path folder;

  private static Invocation bench(String... options) {
    String[] args = new String[options.length + 3];
    args[0] = "bench";
    args[1] = "--model";
    args[2] = SampleModel.path().toString();
    System.arraycopy(options, 0, args, 3, options.length);
    return Invocation.of(args);
  }

  @Test
  void printsARowForEachRun() {
    Invocation bench = bench("-p", "8", "-n", "4", "-b", "1,2", "-r", "2", "-t", "2");
    assertThat(bench.err()).isEmpty();
    assertThat(bench.code()).isZero();
    assertThat(bench.out().lines().filter(line -> line.matches("(pp8|tg4|tg4 x2) +F16 +.*\\d.*")))
        .hasSize(3);
  }

  @Test
  void writesMarkdownAndJson() {
    assertThat(bench("-p", "8", "-n", "0", "-r", "1", "--no-limits", "--format", "markdown").out())
        .contains("| pp8 | F16 | ");
    assertThat(bench("-p", "8", "-n", "0", "-r", "1", "--kv", "q8_0", "--format", "json").out())
        .contains("\"run\": \"pp8\", \"kv\": \"Q8_0\"", "\"tokensPerSecond\": ", "\"java\": ");
  }

  @Test
  void saysWhatBatchInvarianceCosts() {
    String[] options = {"--backend", "vector", "-p", "8", "-n", "0", "-r", "1", "--no-limits"};
    assertThat(bench(options).out()).doesNotContain("batch-invariant");
    String[] invariant = Arrays.copyOf(options, options.length + 1);
    invariant[options.length] = "--batch-invariant";
    assertThat(bench(invariant).out()).contains("SLOW decode: batch-invariant");
  }

  @Test
  void rejectsAShapeItDoesNotKnow() {
    Invocation bench =
        Invocation.of(
            "bench", "--synthesize", "llama-9b", "q4_0", "-o", folder.resolve("x.gguf").toString());
    assertThat(bench.code()).isEqualTo(ExitCode.USAGE);
    assertThat(bench.err()).contains("expected a shape of tinyllama-1.1b", "found llama-9b");
  }
}
