package ai.realm.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import ai.realm.bench.Peers.Settings;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PeerEngineTest {
  private static final String RUN =
      """
        {
          "n_prompt": %d,
          "n_gen": %d,
          "avg_ts": %s,
          "stddev_ts": 0.0,
          "samples_ns": [ 1, 2 ],
          "samples_ts": [ %s ]
        }
      """;

  @TempDir private Path folder = Path.of("");

  @Test
  void readsEveryRunOfRealmBenchAndItsShareOfTheLimits() throws Exception {
    PeerEngine.Samples samples =
        PeerEngine.Realm.parse(
            new PeerProcess.Ended(
                """
                {
                  "limits": {"readBytesPerSecond": 4.00000e+10, "int8OperationsPerSecond": 2.00000e+13, \
                "floatOperationsPerSecond": 9.0e+11},
                  "results": [
                    {"run": "pp32", "kv": "F16", "sequences": 1, "tokens": 32, "tokensPerSecond": 800, \
                "spread": 6.2, "bytesPerSecond": 1.6e+10, "operationsPerSecond": 5.0e+12, "seconds": [0.5, 0.25]},
                    {"run": "tg8 x16", "kv": "F16", "sequences": 16, "tokens": 128, "tokensPerSecond": 70, \
                "spread": 9.0, "bytesPerSecond": 3.0e+10, "operationsPerSecond": 1.5e+11, "seconds": [0.5]}
                  ]
                }
                """,
                null));

    assertThat(samples.speeds())
        .containsExactly(entry("pp32", List.of(64.0, 128.0)), entry("tg8 x16", List.of(256.0)));
    assertThat(samples.shares()).containsOnly(entry("pp32", 0.25), entry("tg8 x16", 0.75));
  }

  @Test
  void readsEveryRunOfLlamaBench() throws Exception {
    PeerEngine.Samples samples =
        PeerEngine.LlamaBench.parse(
            new PeerProcess.Ended(
                "["
                    + RUN.formatted(32, 0, "3", "2.5, 3.5")
                    + ","
                    + RUN.formatted(0, 8, "7", "7")
                    + "]",
                null));

    assertThat(samples.speeds())
        .containsExactly(entry("pp32", List.of(2.5, 3.5)), entry("tg8", List.of(7.0)));
  }

  @Test
  void saysHowAnEngineFailed() throws Exception {
    assertThat(failure("exit 3")).isEqualTo("exit 3");
    assertThat(failure("kill -9 $$")).isEqualTo("crashed, signal 9");
    assertThat(failure("echo {}")).isEqualTo("no figures");
    assertThat(failure("sleep 60")).isEqualTo("timed out after 2 s");
    assertThat(
            new PeerEngine.LlamaBench("x", List.of("/no/such")).run(model(), settings()).failure())
        .isNotNull()
        .returns("does not start", PeerProcess.PeerFailure::shortly);
  }

  @Test
  void keepsWhatAnEngineShowedBeforeItHung() throws Exception {
    PeerEngine engine =
        new PeerEngine.LlamaBench(
            "x", List.of(script("echo '" + RUN.formatted(32, 0, "3", "3") + "'; sleep 60")));

    PeerEngine.Samples samples = engine.run(model(), settings());

    assertThat(samples.speeds()).containsExactly(entry("pp32", List.of(3.0)));
    assertThat(samples.failure()).isNotNull().returns(true, PeerProcess.PeerFailure::timedOut);
  }

  private String failure(String line) throws Exception {
    PeerProcess.PeerFailure failure =
        new PeerEngine.LlamaBench("x", List.of(script(line))).run(model(), settings()).failure();
    return failure == null ? "none" : failure.shortly();
  }

  @Test
  void runsWhatTheEnvironmentNames() {
    assertThat(
            PeerEngine.named(
                Map.of(
                    "LLAMA_BENCH", "old=/a new=/b", "IK_LLAMA_BENCH", "/c", "LLAMA3_JAVA", "/d")))
        .extracting(PeerEngine::name)
        .containsExactly("realm", "old", "new", "ik", "ik+rtr", "llama3.java");
  }

  private Path model() {
    return folder.resolve("model.gguf");
  }

  private static Settings settings() {
    return new Settings(List.of(32), 8, 0, 1, 1, 1, Duration.ofSeconds(2), "auto");
  }

  private String script(String line) throws IOException {
    Path file = Files.createTempFile(folder, "engine", ".sh");
    Files.writeString(file, "#!/bin/sh\n" + line + "\n", StandardCharsets.UTF_8);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    return file.toString();
  }
}
