package ai.realm.bench;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

final class SoakTest {
  @Test
  @Timeout(180)
  void nothingIsLeftOfAMixedLoad() throws Exception {
    Path guests = SampleModel.repositoryRoot().resolve("guests/built");
    Soak.Settings settings =
        new Soak.Settings(
            Duration.ofSeconds(8), 2, Duration.ofSeconds(1), 20, 20, SampleModel.path(), guests);
    SoakReport report =
        Soak.run(
            settings,
            new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8));
    assertThat(report.verdict()).isEmpty();
    assertThat(report.after().descriptors()).isLessThanOrEqualTo(report.before().descriptors());
    assertThat(report.after().threads()).isLessThanOrEqualTo(report.before().threads());
    assertThat(report.after().files()).isLessThanOrEqualTo(report.before().files());
    assertThat(report.ends()).hasSizeGreaterThan(10);
    assertThat(report.ends().get("fails")).containsKeys("GUEST_TRAP", "GUEST_UNAVAILABLE");
    assertThat(report.ends().get("is refused")).containsKeys("ok", "REQUEST_RATE");
    for (String actor :
        List.of("asks", "forks", "gives up", "deploys", "saves", "stays in a worker")) {
      assertThat(report.ends().get(actor)).as(actor).containsKey("ok");
    }
  }

  private static SoakSample sample(int i, long heap, long resident, long descriptors) {
    return new SoakSample(i, heap, 0, resident, descriptors, 1, 0, ProcessState.Child.NONE);
  }

  private static List<String> verdict(double growth, long leftDescriptors, List<String> failures) {
    List<SoakSample> samples = new ArrayList<>();
    for (int i = 0; i < 80; i++) {
      // It grows while it warms up as well, and now and then a sample is off.
      double factor = Math.min(i, 20) / 20.0 + growth * i / 60 + (i % 10 == 0 ? 0.5 : 0);
      samples.add(sample(i, (long) (1e6 * (1 + factor)), 100_000_000, 40));
    }
    return new SoakReport(
            sample(0, 1000, 1000, 30),
            samples,
            sample(81, 1000, 1000, 30 + leftDescriptors),
            Map.of("a", Map.of("ok", 1L)),
            failures)
        .verdict();
  }

  @Test
  void verdictNamesWhatGrewAndWhatIsLeft() {
    assertThat(verdict(0, 0, List.of())).isEmpty();
    assertThat(verdict(0.1, 0, List.of())).singleElement().asString().startsWith("live heap");
    assertThat(verdict(0, 1, List.of()))
        .containsExactly("descriptors: expected 30 once the load is closed, found 31");
    assertThat(verdict(0, 0, List.of("a, round 3: broken"))).containsExactly("a, round 3: broken");
  }
}
