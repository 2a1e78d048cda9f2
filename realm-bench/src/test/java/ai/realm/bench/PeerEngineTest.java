package ai.realm.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import ai.realm.bench.PeerProcess.PeerFailure;
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
  @TempDir private Path folder = Path.of("");

  @Test
  void readsEveryRunOfRealmBenchAndItsShareOfTheLimits() throws Exception {
    PeerEngine.Samples samples =
        PeerEngine.Realm.parse(
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
            """);

    assertThat(samples.speeds())
        .containsExactly(entry("pp32", List.of(64.0, 128.0)), entry("tg8 x16", List.of(256.0)));
    assertThat(samples.shares()).containsOnly(entry("pp32", 0.25), entry("tg8 x16", 0.75));
  }

  @Test
  void readsEveryRunOfLlamaBench() throws Exception {
    String run =
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

    PeerEngine.Samples samples =
        PeerEngine.LlamaBench.parse(
            "["
                + run.formatted(32, 0, "3", "2.5, 3.5")
                + ","
                + run.formatted(0, 8, "7", "7")
                + "]");

    assertThat(samples.speeds())
        .containsExactly(entry("pp32", List.of(2.5, 3.5)), entry("tg8", List.of(7.0)));
  }

  @Test
  void saysHowAnEngineFailed() throws Exception {
    assertThatThrownBy(() ->
            new PeerEngine.LlamaBench("x", List.of(script("exit 3"))).run(model(), settings(9)))
        .isInstanceOfSatisfying(
            PeerFailure.class, e -> assertThat(e.shortly()).isEqualTo("exit 3"));
    assertThatThrownBy(() ->
            new PeerEngine.LlamaBench("x", List.of(script("kill -9 $$"))).run(model(), settings(9)))
        .isInstanceOfSatisfying(
            PeerFailure.class, e -> assertThat(e.shortly()).isEqualTo("crashed, signal 9"));
    assertThatThrownBy(() ->
            new PeerEngine.LlamaBench("x", List.of(script("echo {}"))).run(model(), settings(9)))
        .isInstanceOfSatisfying(
            PeerFailure.class, e -> assertThat(e.shortly()).isEqualTo("no figures"));
    assertThatThrownBy(
            () -> new PeerEngine.LlamaBench("x", List.of("/no/such")).run(model(), settings(9)))
        .isInstanceOfSatisfying(
            PeerFailure.class, e -> assertThat(e.shortly()).isEqualTo("does not start"));
    assertThatThrownBy(() ->
            new PeerEngine.LlamaBench("x", List.of(script("sleep 60"))).run(model(), settings(1)))
        .isInstanceOfSatisfying(PeerFailure.class, e -> assertThat(e.timedOut()).isTrue());
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

  private static Settings settings(int seconds) {
    return new Settings(List.of(32), 8, 0, 1, 1, 1, Duration.ofSeconds(seconds), "auto");
  }

  private String script(String line) throws IOException {
    Path file = Files.createTempFile(folder, "engine", ".sh");
    Files.writeString(file, "#!/bin/sh\n" + line + "\n", StandardCharsets.UTF_8);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    return file.toString();
  }
}
