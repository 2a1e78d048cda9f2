package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.WeightsCache;
import ai.realm.engine.LoadedModel;
import ai.realm.testing.sample.SampleModel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Packed weights on disk, from the command's flag to the answer, and with processes that die (C01) or
/// start together (C12).
@Timeout(120)
final class WeightsCacheTest {
  private static final String QUESTION = "What is the capital of France?";

  @TempDir private Path folder;
  private Path model = Path.of("");

  @BeforeEach
  void copyModel() throws IOException {
    model = Files.copy(SampleModel.path(), folder.resolve("m.gguf"));
  }

  private static Process start(String main, List<String> args) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            main));
    command.addAll(args);
    return new ProcessBuilder(command).start();
  }

  private Process answer(String... flags) throws IOException {
    List<String> args = new ArrayList<>(List.of("run", "-m", model.toString(), "-t", "2"));
    args.addAll(List.of(flags));
    args.add(QUESTION);
    return start("ai.realm.cli.Main", args);
  }

  /// What a command wrote.
  private record Written(String out, String err) {}

  private static Written finish(Process process) throws Exception {
    byte[] out = process.getInputStream().readAllBytes();
    byte[] err = process.getErrorStream().readAllBytes();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    Written written =
        new Written(
            new String(out, StandardCharsets.UTF_8), new String(err, StandardCharsets.UTF_8));
    assertThat(process.exitValue()).as(written.err()).isZero();
    return written;
  }

  private List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(path -> String.valueOf(path.getFileName())).sorted().toList();
    }
  }

  @Test
  void theAnswerIsTheSameWithoutWithANewAndWithAMappedFile() throws Exception {
    Written without = finish(answer());
    assertThat(files()).containsExactly("m.gguf");
    assertThat(without.out()).isEqualTo("The capital of France is Paris.\n");
    Written first = finish(answer("--weights-cache"));
    assertThat(first.out()).isEqualTo(without.out());
    assertThat(first.err()).contains("packed weights ").contains(": written, ");
    assertThat(files()).hasSize(2).last().asString().startsWith("m.gguf.realm-packed-");
    Written second = finish(answer("--weights-cache"));
    assertThat(second.out()).isEqualTo(without.out());
    assertThat(second.err()).doesNotContain("packed weights");
    Path other = folder.resolve("other");
    assertThat(finish(answer("--weights-cache-dir", other.toString())).out())
        .isEqualTo(without.out());
    assertThat(other).isNotEmptyDirectory();
  }

  @Test
  void twoProcessesAtOnceBothEndRight() throws Exception {
    for (int round = 0; round < 2; round++) {
      Process one = answer("--weights-cache");
      Process two = answer("--weights-cache");
      String expected = "The capital of France is Paris.\n";
      assertThat(finish(one).out()).isEqualTo(expected);
      assertThat(finish(two).out()).isEqualTo(expected);
      assertThat(finish(answer("--weights-cache")).err()).doesNotContain("packed weights");
      assertThat(files()).hasSize(2);
      Files.delete(folder.resolve(files().getLast()));
    }
  }

  /// Loads the model `args[0]` and writes its packed weights again and again.
  static final class Child {
    private Child() {}

    public static void main(String[] args) throws IOException {
      Path model = Path.of(args[0]);
      load(model);
      System.out.println("ready");
      System.out.flush();
      while (true) {
        deletePacked(model);
        load(model);
      }
    }
  }

  private static void deletePacked(Path model) throws IOException {
    try (Stream<Path> files = Files.list(model.toAbsolutePath().getParent())) {
      files
          .filter(path -> path.toString().matches(".*realm-packed-[a-z0-9]+"))
          .forEach(path -> {
            try {
              Files.delete(path);
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          });
    }
  }

  /// Loads it once and returns what was said.
  private static List<String> load(Path model) {
    List<String> notices = new ArrayList<>();
    BackendOptions options =
        new BackendOptions(2, true).withWeightsCache(WeightsCache.besideModels(notices::add));
    try (Backend backend = Backends.open("native", options).backend();
        LoadedModel loaded = LoadedModel.open(model, backend)) {
      assertThat(loaded.model().config().layers()).isPositive();
    }
    return notices;
  }

  @Test
  void killedProcessesLeaveAWholeFileOrNone() throws Exception {
    kill(5, 1);
  }

  @Tag("slow")
  @Test
  @Timeout(value = 10, unit = TimeUnit.MINUTES)
  void twoHundredKilledProcessesLeaveAWholeFileOrNone() throws Exception {
    kill(200, 2);
  }

  private void kill(int times, long seed) throws Exception {
    Random random = new Random(seed);
    for (int i = 0; i < times; i++) {
      Process child = start(Child.class.getName(), List.of(model.toString()));
      try (BufferedReader out =
          new BufferedReader(
              new InputStreamReader(child.getInputStream(), StandardCharsets.UTF_8))) {
        assertThat(out.readLine()).isEqualTo("ready");
        Thread.sleep(random.nextInt(1, 300));
      } finally {
        child.destroyForcibly();
        assertThat(child.waitFor(10, TimeUnit.SECONDS)).isTrue();
      }
      // A file with its name is whole: nothing is said of it.
      assertThat(load(model))
          .as("kill %d", i)
          .allSatisfy(notice -> assertThat(notice).contains(": written, "));
      deletePacked(model);
      assertThat(load(model)).singleElement().asString().contains(": written, ");
      assertThat(files()).as("what killed processes left").hasSize(2);
    }
  }
}
