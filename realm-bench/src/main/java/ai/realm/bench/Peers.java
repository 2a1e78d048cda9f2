package ai.realm.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Runs other engines beside `realm bench` on the same files, in turns, and prints medians and ratios.
///
/// ```
/// LLAMA_BENCH="feb25=/path/llama-bench aug26=/other/llama-bench" IK_LLAMA_BENCH=/path/llama-bench \
///   ./dev bench peers -p 512 -n 64 -t 4 -r 5 model.gguf…
/// ```
///
/// `LLAMA_BENCH` and `IK_LLAMA_BENCH` name `llama-bench` programs, one or several as `name=path`;
/// `LLAMA3_JAVA` a jar or source of llama3.java. What is not named is not run. ik_llama.cpp runs a second
/// time with run-time repacking.
public final class Peers {
  private static final long DEADLINE_MINUTES = 5;
  private static final Pattern LLAMA_BENCH = Pattern.compile("\"avg_ts\": *([0-9.]+)");
  private static final Pattern REALM = Pattern.compile("\"tokensPerSecond\": *([0-9.e+]+)");
  private static final Pattern LLAMA3_PROMPT = Pattern.compile("prompt: *([0-9.]+) tokens/s");
  private static final Pattern LLAMA3_GENERATED =
      Pattern.compile("generation: *([0-9.]+) tokens/s");

  private final Settings settings;
  private final List<Engine> engines;

  private Peers(Settings settings, List<Engine> engines) {
    this.settings = settings;
    this.engines = engines;
  }

  /// What to run on every model.
  private record Settings(int prompt, int generated, int threads, int repetitions) {}

  /// One engine: its name, and its command line and result for each kind of run.
  private record Engine(String name, Kind kind, List<String> command) {}

  private enum Kind {
    REALM,
    LLAMA_BENCH,
    LLAMA3_JAVA
  }

  /// Runs what the environment names.
  public static void main(String[] args) throws IOException {
    int prompt = 512;
    int generated = 64;
    int threads = 4;
    int repetitions = 5;
    List<String> models = new ArrayList<>();
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "-p" -> prompt = Integer.parseInt(args[++i]);
        case "-n" -> generated = Integer.parseInt(args[++i]);
        case "-t" -> threads = Integer.parseInt(args[++i]);
        case "-r" -> repetitions = Integer.parseInt(args[++i]);
        default -> models.add(args[i]);
      }
    }
    if (models.isEmpty()) {
      throw new IllegalArgumentException(
          "expected GGUF files to run, found none; see the comment of ai.realm.bench.Peers");
    }
    Peers peers = new Peers(new Settings(prompt, generated, threads, repetitions), engines());
    for (String model : models) {
      peers.compare(model);
    }
  }

  private static List<Engine> engines() {
    List<Engine> engines = new ArrayList<>();
    String realm = System.getenv().getOrDefault("REALM_COMMAND", "./realm");
    engines.add(new Engine("realm", Kind.REALM, List.of(realm, "bench")));
    named("LLAMA_BENCH", "llama.cpp")
        .forEach((name, path) -> engines.add(new Engine(name, Kind.LLAMA_BENCH, List.of(path))));
    named("IK_LLAMA_BENCH", "ik")
        .forEach((name, path) -> {
          engines.add(new Engine(name, Kind.LLAMA_BENCH, List.of(path)));
          engines.add(new Engine(name + "+rtr", Kind.LLAMA_BENCH, List.of(path, "-rtr", "1")));
        });
    named("LLAMA3_JAVA", "llama3.java")
        .forEach((name, path) ->
            engines.add(
                new Engine(
                    name,
                    Kind.LLAMA3_JAVA,
                    List.of(
                        "java",
                        "--add-modules",
                        "jdk.incubator.vector",
                        path.endsWith(".jar") ? "-jar" : "--enable-preview",
                        path))));
    return engines;
  }

  private static Map<String, String> named(String variable, String name) {
    Map<String, String> programs = new LinkedHashMap<>();
    String value = System.getenv().getOrDefault(variable, "").trim();
    for (String part : value.isEmpty() ? new String[0] : value.split("\\s+", -1)) {
      int equals = part.indexOf('=');
      programs.put(equals < 0 ? name : part.substring(0, equals), part.substring(equals + 1));
    }
    return programs;
  }

  private void compare(String model) throws IOException {
    System.out.printf(
        "%n%s, %d threads, median of %d runs in turns%n",
        model, settings.threads(), settings.repetitions());
    for (boolean prompt : new boolean[] {true, false}) {
      if ((prompt ? settings.prompt() : settings.generated()) == 0) {
        continue;
      }
      double[][] results = new double[engines.size()][settings.repetitions()];
      for (int r = 0; r < settings.repetitions(); r++) {
        for (int e = 0; e < results.length; e++) {
          results[e][r] = run(engines.get(e), model, prompt);
        }
      }
      double realm = median(results[0]);
      for (int e = 0; e < results.length; e++) {
        double own = median(results[e]);
        System.out.printf(
            Locale.ROOT,
            "  %-14s %-8s %9.2f tokens/s   realm is %.2fx   (%s)%n",
            engines.get(e).name(),
            prompt ? "pp" + settings.prompt() : "tg" + settings.generated(),
            own,
            realm / own,
            Arrays.toString(results[e]));
      }
    }
  }

  /// Tokens per second of one run.
  private double run(Engine engine, String model, boolean prompt) throws IOException {
    List<String> command = new ArrayList<>(engine.command());
    String p = Integer.toString(prompt ? settings.prompt() : 0);
    String n = Integer.toString(prompt ? 0 : settings.generated());
    String t = Integer.toString(settings.threads());
    Pattern result =
        switch (engine.kind()) {
          case REALM -> {
            command.addAll(
                List.of(
                    "-m",
                    model,
                    "-p",
                    p,
                    "-n",
                    n,
                    "-t",
                    t,
                    "-r",
                    "1",
                    "--format",
                    "json",
                    "--no-limits"));
            yield REALM;
          }
          case LLAMA_BENCH -> {
            command.addAll(
                List.of("-m", model, "-p", p, "-n", n, "-t", t, "-r", "1", "-o", "json"));
            yield LLAMA_BENCH;
          }
          case LLAMA3_JAVA -> {
            // Its prompt is a text: about a token a word, and the speed says how many there were.
            command.addAll(
                List.of(
                    "--model",
                    model,
                    "--prompt",
                    "a ".repeat(settings.prompt()),
                    "-n",
                    Integer.toString(settings.prompt() + settings.generated())));
            yield prompt ? LLAMA3_PROMPT : LLAMA3_GENERATED;
          }
        };
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    CompletableFuture.delayedExecutor(DEADLINE_MINUTES, TimeUnit.MINUTES)
        .execute(process::destroyForcibly);
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    Matcher matcher = result.matcher(output);
    if (!matcher.find()) {
      throw new IllegalStateException(
          "%s: expected %s in its output, found: %s".formatted(engine.name(), result, output));
    }
    return Double.parseDouble(matcher.group(1));
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int n = sorted.length;
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  }
}
