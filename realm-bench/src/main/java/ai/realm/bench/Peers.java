package ai.realm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Runs other engines beside `realm bench` on the same files, in turns, and prints a Markdown table of
/// medians with realm's ratio to the best of the others.
///
/// ```
/// LLAMA_BENCH="feb25=/path/llama-bench aug26=/other/llama-bench" IK_LLAMA_BENCH=/path/llama-bench \
///   ./dev bench peers -p 32,128,512 -n 64 -t 4 -r 5 -o table.md model.gguf…
/// ```
///
/// `LLAMA_BENCH` and `IK_LLAMA_BENCH` name `llama-bench` programs, one or several as `name=path`;
/// `LLAMA3_JAVA` a jar, class folder or source of llama3.java. What is not named is not run.
/// ik_llama.cpp runs a second time with run-time repacking. `REALM_COMMAND` is the command that stands
/// for realm.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `-p` | prompt lengths | 32,128,512 |
/// | `-n` | generated tokens, 0 for none | 64 |
/// | `-b` | sequences that realm alone generates for together, 0 for none | 0 |
/// | `-t` | threads | 4 |
/// | `-r` | rounds: processes of each engine for each model | 3 |
/// | `--repetitions` | repetitions in a process | 3 |
/// | `--deadline` | seconds a process may take | 180 |
/// | `--backend` | realm's backend | auto |
/// | `-o` | a file that gets the table as well, row by row | none |
public final class Peers {
  private final Settings settings;
  private final List<PeerEngine> engines;
  private final PeerTable table;

  private Peers(Settings settings, List<PeerEngine> engines, PeerTable table) {
    this.settings = settings;
    this.engines = engines;
    this.table = table;
  }

  /// What to run on every model.
  record Settings(
      List<Integer> prompts,
      int generated,
      int sequences,
      int threads,
      int rounds,
      int repetitions,
      Duration deadline,
      String backend) {
    Settings {
      prompts = List.copyOf(prompts);
      if (threads < 1 || rounds < 1 || repetitions < 1 || deadline.toSeconds() < 1) {
        throw new IllegalArgumentException(
            "expected -t, -r, --repetitions and --deadline above 0, found %d, %d, %d, %d s"
                .formatted(threads, rounds, repetitions, deadline.toSeconds()));
      }
    }

    /// The rows of a model: `pp32`, …, `tg64`, `tg64 x16`.
    List<String> titles() {
      List<String> titles = new ArrayList<>();
      prompts.forEach(p -> titles.add("pp" + p));
      if (generated > 0) {
        titles.add("tg" + generated);
        if (sequences > 1) {
          titles.add(together());
        }
      }
      return titles;
    }

    /// The row of many sequences.
    String together() {
      return "tg%d x%d".formatted(generated, sequences);
    }
  }

  /// Runs what the environment names.
  public static void main(String[] args) throws IOException, InterruptedException {
    List<Integer> prompts = List.of(32, 128, 512);
    int generated = 64;
    int sequences = 0;
    int threads = 4;
    int rounds = 3;
    int repetitions = 3;
    int deadline = 180;
    String backend = "auto";
    Path output = null;
    List<Path> models = new ArrayList<>();
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "-p" -> prompts = numbers(args[++i]);
        case "-n" -> generated = Integer.parseInt(args[++i]);
        case "-b" -> sequences = Integer.parseInt(args[++i]);
        case "-t" -> threads = Integer.parseInt(args[++i]);
        case "-r" -> rounds = Integer.parseInt(args[++i]);
        case "--repetitions" -> repetitions = Integer.parseInt(args[++i]);
        case "--deadline" -> deadline = Integer.parseInt(args[++i]);
        case "--backend" -> backend = args[++i];
        case "-o" -> output = Path.of(args[++i]);
        default -> models.add(Path.of(args[i]));
      }
    }
    if (models.isEmpty() || !models.stream().allMatch(Files::isRegularFile)) {
      throw new IllegalArgumentException(
          "expected GGUF files to run, found "
              + models
              + "; see the comment of ai.realm.bench.Peers");
    }
    Settings settings =
        new Settings(
            prompts,
            generated,
            sequences,
            threads,
            rounds,
            repetitions,
            Duration.ofSeconds(deadline),
            backend);
    List<PeerEngine> engines = PeerEngine.named(System.getenv());
    PeerTable table = new PeerTable(System.out, output, engines);
    table.begin("./dev bench peers " + String.join(" ", args));
    new Peers(settings, engines, table).compare(models);
    table.end();
  }

  private static List<Integer> numbers(String list) {
    return Arrays.stream(list.split(",", -1)).map(Integer::valueOf).filter(n -> n > 0).toList();
  }

  private void compare(List<Path> models) throws IOException, InterruptedException {
    for (Path model : models) {
      List<Cells> results = new ArrayList<>();
      engines.forEach(e -> results.add(new Cells()));
      for (int round = 0; round < settings.rounds(); round++) {
        for (int turn = 0; turn < engines.size(); turn++) {
          int e = (round + turn) % engines.size(); // nobody always comes after the same one
          PeerEngine engine = engines.get(e);
          System.err.printf(
              "%s, round %d of %d, %s%n",
              model.getFileName(), round + 1, settings.rounds(), engine.name());
          run(engine, model, results.get(e));
        }
      }
      for (String title : settings.titles()) {
        table.row(model, title, settings, results);
      }
    }
  }

  /// An engine that fails keeps what it has shown; one that hangs is not started again on this model.
  private void run(PeerEngine engine, Path model, Cells cells)
      throws IOException, InterruptedException {
    if (cells.hangs) {
      return;
    }
    PeerEngine.Samples samples = engine.run(model, settings);
    samples.speeds().forEach((title, list) -> cells.speeds(title).addAll(list));
    cells.shares.putAll(samples.shares());
    PeerProcess.PeerFailure failure = samples.failure();
    if (failure != null) {
      System.err.println(engine.name() + ": " + failure.getMessage());
      cells.failure = failure.shortly();
      cells.failures++;
      cells.hangs = failure.timedOut();
    }
  }

  /// What one engine has shown on one model.
  static final class Cells {
    private final Map<String, List<Double>> speeds = new LinkedHashMap<>();
    private final Map<String, Double> shares = new LinkedHashMap<>();
    private @Nullable String failure;
    private int failures;
    private boolean hangs;

    /// Tokens per second of all repetitions of a row.
    List<Double> speeds(String title) {
      return speeds.computeIfAbsent(title, t -> new ArrayList<>());
    }

    /// The share of the machine's limit, where the engine says so.
    @Nullable Double share(String title) {
      return shares.get(title);
    }

    /// Median tokens per second of a row, or 0 where there are none.
    double median(String title) {
      List<Double> sorted = new ArrayList<>(speeds(title));
      Collections.sort(sorted);
      int n = sorted.size();
      if (n == 0) {
        return 0;
      }
      return n % 2 == 1 ? sorted.get(n / 2) : (sorted.get(n / 2 - 1) + sorted.get(n / 2)) / 2;
    }

    /// Why there is no figure, or fewer than there should be.
    @Nullable String failure() {
      return failure;
    }

    int failures() {
      return failures;
    }
  }
}
