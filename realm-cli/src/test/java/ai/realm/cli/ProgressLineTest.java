package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class ProgressLineTest {
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private ProgressLine progress(boolean interactive) {
    return new ProgressLine(
        new Console(
            InputStream.nullInputStream(), OutputStream.nullOutputStream(), err, interactive));
  }

  private String written() {
    return err.toString(StandardCharsets.UTF_8);
  }

  @Test
  void barShowsTheShareThatIsDone() {
    assertThat(ProgressLine.render("loading", 1 << 20, 4 << 20))
        .isEqualTo("loading [███████░░░░░░░░░░░░░░░░░░░░░░░]  25% of 4.0 MiB");
    assertThat(ProgressLine.render("loading", 0, 0)).contains("100%");
  }

  @Test
  void barAppearsOnATerminalAfterAMomentAndGoesAway() throws Exception {
    try (ProgressLine progress = progress(true)) {
      progress.update("loading", 1, 100);
      assertThat(written()).as("too early to bother anybody").isEmpty();
      long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
      while (written().isEmpty() && System.nanoTime() < deadline) {
        Thread.sleep(Duration.ofMillis(20));
        progress.update("loading", 50, 100);
      }
      assertThat(written()).contains("50% of 100 B");
    }
    assertThat(written()).endsWith("\r\u001b[K");
  }

  @Test
  void nothingIsWrittenWhereNobodyWatches() throws Exception {
    try (ProgressLine progress = progress(false)) {
      Thread.sleep(Duration.ofMillis(350));
      progress.update("loading", 50, 100);
    }
    assertThat(written()).isEmpty();
  }

  @Test
  void sizesAreReadable() {
    assertThat(Sizes.of(1023)).isEqualTo("1023 B");
    assertThat(Sizes.of(5_557_856)).isEqualTo("5.3 MiB");
    assertThat(Sizes.of(Long.MAX_VALUE)).isEqualTo("8.0 EiB");
    assertThat(Sizes.count(1792)).isEqualTo("1792");
    assertThat(Sizes.count(5_180_672)).isEqualTo("5.2 M");
    assertThat(Sizes.count(1_100_048_384)).isEqualTo("1.10 B");
  }
}
