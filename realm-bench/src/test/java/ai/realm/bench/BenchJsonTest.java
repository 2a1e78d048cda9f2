package ai.realm.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.realm.testing.sample.SampleModel;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@Timeout(120)
final class BenchJsonTest {
  private static final String MODEL = SampleModel.path().toString();

  private interface Bench {
    void run(String[] args, PrintStream out) throws Exception;
  }

  private static String output(Bench bench, String... args) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      bench.run(args, out);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  private static void expectTimes(JsonNode times) {
    double median = times.required("p50Millis").doubleValue();
    assertThat(median).isPositive();
    assertThat(times.required("p99Millis").doubleValue()).isGreaterThanOrEqualTo(median);
  }

  @Test
  void realmsBenchWritesWhatItsTableSays() throws Exception {
    String[] args = {"-m", MODEL, "-k", "1,2", "-n", "8", "-r", "1", "-w", "0.1", "-t", "2"};
    String[] asJson = List.of(args).toArray(new String[args.length + 2]);
    asJson[args.length] = "--format";
    asJson[args.length + 1] = "json";
    JsonNode report = JsonMapper.shared().readTree(output(RealmsBench::run, asJson));
    assertThat(report.required("model").stringValue()).isEqualTo("realm-sample-q8_0.gguf");
    assertThat(report.required("backend").stringValue()).isNotBlank();
    assertThat(report.required("java").stringValue()).startsWith("25");
    assertThat(report.required("guestBytes").isNull()).isTrue();
    assertThat(report.required("tokens").intValue()).isEqualTo(8);
    JsonNode results = report.required("results");
    assertThat(results.size()).isEqualTo(3);
    assertThat(results.get(2).required("realms").intValue()).isEqualTo(2);
    assertThat(results.get(2).required("batching").booleanValue()).isTrue();
    for (JsonNode row : results) {
      assertThat(row.required("tokensPerSecond").doubleValue()).isPositive();
      assertThat(row.required("guestMicrosPerToken").doubleValue()).isPositive();
      expectTimes(row.required("firstToken"));
      expectTimes(row.required("betweenTokens"));
    }
    assertThat(report.required("memory").required("residentBytesOfOne").longValue())
        .isGreaterThan(1 << 20);
    expectTimes(report.required("creation").required("creation"));
    assertThat(output(RealmsBench::run, args).lines().filter(line -> line.startsWith("| ")))
        .hasSize(1 + 3);
  }

  @Test
  void neighboursBenchWritesWhatItsTableSays() throws Exception {
    String json = output(NeighboursBench::run, "--format", "json", "--only", "F01,F04", MODEL, "1");
    JsonNode report = JsonMapper.shared().readTree(json);
    assertThat(report.required("secondsEach").intValue()).isEqualTo(1);
    JsonNode results = report.required("results");
    assertThat(
            results
                .valueStream()
                .map(row -> row.required("neighbour").stringValue().substring(0, 3)))
        .containsExactly("non", "pol", "F01", "F04");
    for (JsonNode row : results) {
      assertThat(row.required("tokens").longValue()).isPositive();
      assertThat(row.required("errors").isIntegralNumber()).isTrue();
      assertThat(row.required("firstTokenBesidePolite").doubleValue()).isPositive();
      assertThat(row.required("betweenTokensBesidePolite").doubleValue()).isPositive();
      expectTimes(row.required("firstToken"));
      expectTimes(row.required("betweenTokens"));
    }
    JsonNode shares = report.required("shares");
    assertThat(shares.valueStream().map(row -> row.required("sequences").intValue()))
        .containsExactly(4, 4, 32, 32);
    for (JsonNode row : shares) {
      assertThat(row.required("shares").valueStream().mapToDouble(JsonNode::doubleValue).sum())
          .isCloseTo(1, within(1e-9));
      assertThat(row.required("jain").doubleValue()).isBetween(1.0 / 3, 1.0);
    }
  }

  @Test
  void fairnessBenchWritesTheSameInEveryRun() throws Exception {
    String[] args = {"--seconds", "3", "--format", "json"};
    String json = output(FairnessBench::run, args);
    assertThat(output(FairnessBench::run, args)).isEqualTo(json);
    JsonNode results = JsonMapper.shared().readTree(json).required("results");
    assertThat(output(FairnessBench::run, "--seconds", "3").lines()).hasSize(2 + results.size());
    for (JsonNode row : results) {
      double all = 0;
      for (JsonNode part : row.required("parts")) {
        all += part.required("due").doubleValue() * part.required("tenants").intValue();
      }
      assertThat(all).isCloseTo(1, within(1e-9));
      if (row.required("schedule").stringValue().startsWith("F0")) {
        assertThat(row.required("firstTokenBesidePolite").doubleValue()).isPositive();
        expectTimes(row.required("betweenTokens"));
      }
    }
  }

  @Test
  void optionsThatTheyDoNotKnowAreNamed() {
    assertThatThrownBy(() -> output(RealmsBench::run, "--format", "yaml"))
        .hasMessageContaining("expected table or json, found 'yaml'");
    assertThatThrownBy(() -> output(RealmsBench::run, "-x", "1")).hasMessageContaining("found -x");
    assertThatThrownBy(() -> output(NeighboursBench::run, "--format"))
        .hasMessageContaining("--format: expected a value");
    assertThatThrownBy(() -> output(FairnessBench::run, "--seconds", "0"))
        .hasMessageContaining("--seconds: expected above 0");
  }
}
