package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.error.RealmException;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.GuestOutput;
import ai.realm.runtime.RealmRuntime;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.testing.sample.SampleModel;
import ai.realm.wasm.DefaultGuest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// C03: a model's file is shortened, rewritten, replaced or deleted while a process of its own generates.
@Timeout(240)
final class ModelFileTest {
  private static final String BEGIN = "Once upon a time";

  /// What happens to the file.
  enum Change {
    TRUNCATED {
      @Override
      void to(Path model) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(model.toFile(), "rw")) {
          file.setLength(4096);
        }
      }
    },
    REWRITTEN {
      @Override
      void to(Path model) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(model.toFile(), "rw")) {
          byte[] ones = new byte[1 << 16];
          Arrays.fill(ones, (byte) 1);
          for (long left = file.length(); left > 0; left -= ones.length) {
            file.write(ones, 0, (int) Math.min(left, ones.length));
          }
        }
      }
    },
    REPLACED {
      @Override
      void to(Path model) throws IOException {
        Path other = Files.write(model.resolveSibling("other"), new byte[100_000]);
        Files.move(other, model, StandardCopyOption.REPLACE_EXISTING);
      }
    },
    DELETED {
      @Override
      void to(Path model) throws IOException {
        Files.delete(model);
      }
    };

    abstract void to(Path model) throws IOException;
  }

  @TempDir private Path folder;
  private Path model = Path.of("");

  @BeforeEach
  void copyModel() throws IOException {
    model = Files.copy(SampleModel.path(), folder.resolve("m.gguf"));
  }

  private static List<String> command(String main, List<String> args) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:-CreateCoredumpOnCrash",
            "-XX:+ErrorFileToStderr",
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            main));
    command.addAll(args);
    return command;
  }

  /// What a child said after its file was changed under it.
  private record Outcome(List<String> before, List<String> after, int exitCode, String err) {}

  private Outcome run(String backend, boolean copied, Change change) throws Exception {
    Path err = folder.resolve("err");
    Process process =
        new ProcessBuilder(
                command(
                    Child.class.getName(),
                    List.of(model.toString(), backend, Boolean.toString(copied))))
            .redirectError(err.toFile())
            .start();
    List<String> before = new ArrayList<>();
    List<String> after = new ArrayList<>();
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line = out.readLine();
      while (line != null && !line.equals("generating")) {
        before.add(line);
        line = out.readLine();
      }
      change.to(model);
      process.getOutputStream().write('\n');
      process.getOutputStream().flush();
      line = out.readLine();
      while (line != null) {
        after.add(line);
        line = out.readLine();
      }
    } finally {
      if (!process.waitFor(60, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    }
    return new Outcome(before, after, process.waitFor(), Files.readString(err));
  }

  static Stream<Arguments> copiedModels() {
    return Stream.of("naive", "vector", "native")
        .flatMap(
            backend -> Stream.of(Change.values()).map(change -> Arguments.of(backend, change)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("copiedModels")
  void copiedModelSaysTheSameWhateverHappensToItsFile(String backend, Change change)
      throws Exception {
    assertSame(run(backend, true, change));
  }

  static Stream<Arguments> mappedModels() {
    return Stream.of("naive", "vector", "native")
        .flatMap(backend ->
            Stream.of(Change.REPLACED, Change.DELETED)
                .map(change -> Arguments.of(backend, change)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("mappedModels")
  void mappedModelSaysTheSameWhenItsFileIsReplacedOrDeleted(String backend, Change change)
      throws Exception {
    assertSame(run(backend, false, change));
  }

  private static void assertSame(Outcome outcome) {
    assertThat(outcome.exitCode()).as(outcome.err()).isZero();
    assertThat(outcome.before()).as(outcome.err()).hasSize(1);
    String expected = outcome.before().getFirst();
    assertThat(expected).startsWith("text ").hasSizeGreaterThan(40);
    assertThat(outcome.after()).containsExactly(expected, expected);
  }

  /// What is promised of a mapped file that is cut: the process lives on Linux, and each call says what it
  /// always says or ends with a typed error.
  @ParameterizedTest
  @ValueSource(strings = {"naive", "vector", "native"})
  void mappedModelThatIsCutEndsCallsAndNotTheProcess(String backend) throws Exception {
    if (!System.getProperty("os.name", "").startsWith("Linux")) {
      return;
    }
    Outcome outcome = run(backend, false, Change.TRUNCATED);
    assertThat(outcome.exitCode()).as(outcome.err()).isZero();
    String expected = outcome.before().getFirst();
    assertThat(outcome.after()).hasSize(2);
    assertThat(outcome.after())
        .allSatisfy(line ->
            assertThat(line)
                .satisfiesAnyOf(
                    l -> assertThat(l).isEqualTo(expected),
                    l -> assertThat(l).startsWith("error ENGINE_"),
                    l -> assertThat(l).startsWith("error MODEL_")));
    if (backend.equals("naive")) {
      assertThat(outcome.after().getFirst()).as("reads the file in each step").startsWith("error");
    }
  }

  /// Generates from a model, waits in the middle of a text for a line from its parent, and generates again.
  static final class Child {
    private Child() {}

    public static void main(String[] args) throws IOException {
      Backend backend = Backends.open(args[1], BackendOptions.DEFAULT).backend();
      RuntimeConfig.Builder config =
          RuntimeConfig.builder(backend).model("m", Path.of(args[0])).maxContext(512);
      if (Boolean.parseBoolean(args[2])) {
        config.copiedModels();
      }
      try (backend;
          RealmRuntime runtime = new RealmRuntime(config.build())) {
        runtime.loadWasm(DefaultGuest.bytes());
        // Enough for the kernels to be compiled: what is compiled reads memory in other ways.
        String said = "";
        for (int i = 0; i < 5; i++) {
          said = generate(runtime, GuestOutput.discard());
        }
        line("text " + said);
        GuestOutput pause = new Pause();
        for (int i = 0; i < 2; i++) {
          String outcome;
          try {
            outcome = "text " + generate(runtime, pause);
          } catch (RealmException e) {
            outcome = "error " + e.code();
          }
          line(outcome);
        }
      }
    }

    private static String generate(RealmRuntime runtime, GuestOutput output) {
      // After a call that failed its handles are gone.
      long model = runtime.callFunction("load_model", "m", "{}").value();
      CallResult result =
          runtime.callFunction(
              "generate", output, model, BEGIN, "{\"raw\": true, \"max_tokens\": 120}");
      if (result.value() < 0) {
        throw new IllegalStateException(RealmRuntime.describe(result.value()));
      }
      return result.text().replace('\n', ' ');
    }

    private static void line(String text) {
      System.out.println(text);
      System.out.flush();
    }

    /// Waits once, after some tokens.
    private static final class Pause implements GuestOutput {
      private int pieces;

      @Override
      public void text(String text) {
        if (++pieces == 10) {
          line("generating");
          try {
            int ignored = System.in.read();
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        }
      }
    }
  }

  @Test
  void commandCopiesTheModelOrSaysThatOthersMayChangeIt() throws Exception {
    Files.setPosixFilePermissions(model, PosixFilePermissions.fromString("rw-r--rw-"));
    for (boolean copied : new boolean[] {false, true}) {
      List<String> args = new ArrayList<>(List.of("run", "-m", model.toString()));
      if (copied) {
        args.add("--copy-model");
      }
      args.add("What is the capital of France?");
      Path err = folder.resolve("err");
      Process process =
          new ProcessBuilder(command("ai.realm.cli.Main", args))
              .redirectError(err.toFile())
              .start();
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
      assertThat(out).isEqualTo("The capital of France is Paris.\n");
      String said = Files.readString(err);
      if (copied) {
        assertThat(said).doesNotContain("may write");
      } else {
        assertThat(said).contains("everybody may write to it", "--copy-model");
      }
    }
  }
}
