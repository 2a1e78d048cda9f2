package ai.realm.guest;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The default guest's reader of its configuration, as Java.
final class ConfigTest {
  private static Config parse(String json) {
    Config config = Config.parse(json.getBytes(StandardCharsets.UTF_8));
    assertThat(config.isWrong()).as(json).isFalse();
    return config;
  }

  private static String many(int count, String format) {
    return IntStream.range(0, count)
        .mapToObj(i -> format.formatted(i))
        .collect(Collectors.joining(","));
  }

  @Test
  void aLargeConfigurationTakesMemoryInProportionToItsSize() {
    String strings = many(100_000, "\"s%d\"");
    byte[] json =
        ("{"
                + many(100_000, "\"key%d\":\"value\"")
                + ",\"max_tokens\":7,\"nested\":{"
                + many(20_000, "\"k%d\":[\"v\"]")
                + "},\"stop\":["
                + strings
                + "],\"stop_tokens\":["
                + many(100_000, "%d")
                + "]}")
            .getBytes(StandardCharsets.UTF_8);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Config.parse(json);
    long before = threads.getCurrentThreadAllocatedBytes();
    Config config = Config.parse(json);
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat(config.isWrong()).isFalse();
    assertThat(config.maxTokens).isEqualTo(7);
    assertThat(config.stop.length).isEqualTo(100_000);
    assertThat(config.stopTokens).hasSize(100_000).endsWith(99_999);
    assertThat(allocated).isLessThan(20L * json.length);
  }

  @Test
  void readsEscapesInKeysAndStrings() {
    Config config =
        parse(
            "{\"r\\u0061w\":true,\"x\\\"y\":\"a\\\\\",\"stop\":[\"a\\n\",\"\\u00e9\\ud83d\\ude00\",\"\"],"
                + "\"json_schema\":{\"a\\\"}\":[\"]\"]}}");
    assertThat(config.raw).isTrue();
    assertThat(config.more).isTrue();
    assertThat(config.stop)
        .isDeepEqualTo(
            new byte[][] {{'a', '\n'}, "é\ud83d\ude00".getBytes(StandardCharsets.UTF_8), {}});
    assertThat(new String(config.grammar, StandardCharsets.UTF_8))
        .isEqualTo("{\"a\\\"}\":[\"]\"]}");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"",
        "{\"a",
        "{\"a\\",
        "{\"stop\":\"\\u",
        "{\"stop\":\"\\u\"}",
        "{\"stop\":\"\\uf\"}",
        "{\"stop\":\"\\ud800\\u\"}",
        "{\"stop\":[\"a\",]}",
        "{\"stop_tokens\":[1",
        "{\"x\":\"\\",
        "{\"x\":{\"a\\\":1}}",
      })
  void refusesWhatIsCutOff(String json) {
    assertThat(Config.parse(json.getBytes(StandardCharsets.UTF_8)).isWrong()).isTrue();
  }
}
