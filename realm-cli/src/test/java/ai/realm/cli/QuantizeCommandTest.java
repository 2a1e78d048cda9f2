package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class QuantizeCommandTest {
  @TempDir Path folder;

  @Test
  void writesASmallerModelThatRunsHere() {
    Path out = folder.resolve("small.gguf");
    Invocation quantize =
        Invocation.of(
            "quantize",
            "--allow-requantize",
            SampleModel.path().toString(),
            out.toString(),
            "q4_k_m");
    assertThat(quantize.err()).contains("5.3 MiB to 3.", "Q4_K_M");
    assertThat(quantize.code()).isZero();
    Invocation inspect = Invocation.of("inspect", "--only", "summary", out.toString());
    assertThat(inspect.out()).contains("weights as Q4_K").contains("runs here: yes");
  }

  @Test
  void sourcesThatAreQuantizedNeedPermission() throws IOException {
    Path out = folder.resolve("small.gguf");
    Invocation quantize =
        Invocation.of("quantize", SampleModel.path().toString(), out.toString(), "Q4_0");
    assertThat(quantize.code()).isEqualTo(ExitCode.FAILURE);
    assertThat(quantize.err()).contains("expected F32, F16 or BF16, found Q8_0");
    try (var left = Files.list(folder)) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void unknownTypeListsTheKnownOnes() {
    Invocation quantize = Invocation.of("quantize", "in.gguf", "out.gguf", "Q9_K");
    assertThat(quantize.code()).isEqualTo(ExitCode.USAGE);
    assertThat(quantize.err()).contains("expected one of F32, F16", "IQ4_XS", "found Q9_K");
  }

  @Test
  void malformedModelIsOneSentenceAndLeavesNothing() throws IOException {
    Path in = Files.writeString(folder.resolve("in.gguf"), "no model at all, but long enough");
    Path out = folder.resolve("out.gguf");
    Invocation quantize = Invocation.of("quantize", in.toString(), out.toString(), "Q4_0");
    assertThat(quantize.code()).isEqualTo(ExitCode.MODEL);
    assertThat(quantize.err()).contains("magic at offset 0").doesNotContain("\tat ");
    assertThat(out).doesNotExist();
  }
}
