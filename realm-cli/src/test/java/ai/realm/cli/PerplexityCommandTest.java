package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PerplexityCommandTest {
  private static final String TEXT =
      "The capital of France is Paris. The capital of Italy is Rome.";

  @TempDir Path folder;

  private static double perplexity(Invocation run) {
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    Matcher shown = Pattern.compile("perplexity ([0-9.]+) ± ").matcher(run.out());
    assertThat(shown.find()).as(run.out()).isTrue();
    return Double.parseDouble(shown.group(1));
  }

  @Test
  void fewerBitsPredictAlmostAsWell() throws IOException {
    Path text = Files.writeString(folder.resolve("text.txt"), TEXT);
    Path small = folder.resolve("small.gguf");
    String model = SampleModel.path().toString();
    Invocation quantize =
        Invocation.of("quantize", "--allow-requantize", model, small.toString(), "Q4_K_M");
    assertThat(quantize.code()).isZero();
    double whole = perplexity(Invocation.of("perplexity", model, text.toString()));
    double fewer = perplexity(Invocation.of("perplexity", small.toString(), text.toString()));
    assertThat(whole).isBetween(1.0, 10.0);
    assertThat(fewer).isBetween(whole * 0.8, whole * 1.5);
  }

  @Test
  void readsStandardInput() {
    String model = SampleModel.path().toString();
    Invocation run = Invocation.with(GuestSession::open, TEXT, "perplexity", model, "-");
    assertThat(perplexity(run)).isBetween(1.0, 10.0);
    assertThat(run.out()).contains("windows of 512");
  }

  @Test
  void missingTextIsOneSentence() {
    String model = SampleModel.path().toString();
    Invocation run = Invocation.of("perplexity", model, folder.resolve("no.txt").toString());
    assertThat(run.code()).isEqualTo(ExitCode.FAILURE);
    assertThat(run.err()).contains("there is no such file");
  }
}
