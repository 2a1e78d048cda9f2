package ai.realm.bench;

import ai.realm.bench.PeerProcess.PeerFailure;
import ai.realm.bench.Peers.Settings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// An engine that runs one model in one process, and how to read what it says.
sealed interface PeerEngine {
  /// What the table calls it.
  String name();

  /// One process, or what stands for one: tokens per second of its repetitions.
  Samples run(Path model, Settings settings) throws IOException, InterruptedException;

  /// What a process showed, by the row's title.
  ///
  /// @param speeds tokens per second of each repetition
  /// @param shares the share of the machine's limit reached, where the engine measures it
  /// @param failure how the process ended before it had shown everything
  record Samples(
      Map<String, List<Double>> speeds,
      Map<String, Double> shares,
      @Nullable PeerFailure failure) {}

  /// Realm, then the engines that the environment names.
  static List<PeerEngine> named(Map<String, String> environment) {
    List<PeerEngine> engines = new ArrayList<>();
    engines.add(new Realm(environment.getOrDefault("REALM_COMMAND", "./realm")));
    programs(environment, "LLAMA_BENCH", "llama.cpp")
        .forEach((name, path) -> engines.add(new LlamaBench(name, List.of(path))));
    programs(environment, "IK_LLAMA_BENCH", "ik")
        .forEach((name, path) -> {
          engines.add(new LlamaBench(name, List.of(path)));
          engines.add(new LlamaBench(name + "+rtr", List.of(path, "-rtr", "1")));
        });
    programs(environment, "LLAMA3_JAVA", "llama3.java")
        .forEach((name, path) -> engines.add(new Llama3Java(name, path)));
    return engines;
  }

  private static Map<String, String> programs(
      Map<String, String> environment, String variable, String name) {
    Map<String, String> programs = new LinkedHashMap<>();
    String value = environment.getOrDefault(variable, "").trim();
    for (String part : value.isEmpty() ? new String[0] : value.split("\\s+", -1)) {
      int equals = part.indexOf('=');
      programs.put(equals < 0 ? name : part.substring(0, equals), part.substring(equals + 1));
    }
    return programs;
  }

  private static String joined(List<Integer> numbers) {
    return numbers.isEmpty()
        ? "0"
        : String.join(",", numbers.stream().map(String::valueOf).toList());
  }

  /// `realm bench` with its measurement of the machine's limits.
  record Realm(String command) implements PeerEngine {
    private static final Pattern LIMIT = Pattern.compile("\"(\\w+PerSecond)\": ([0-9.e+]+)[,}]");
    private static final Pattern RUN =
        Pattern.compile(
            "\"run\": \"([^\"]+)\".*?\"tokens\": (\\d+).*?\"bytesPerSecond\": ([0-9.e+]+),"
                + " \"operationsPerSecond\": ([0-9.e+]+), \"seconds\": \\[([^\\]]*)\\]");

    @Override
    public String name() {
      return "realm";
    }

    @Override
    public Samples run(Path model, Settings s) throws IOException, InterruptedException {
      String sequences = s.sequences() > 1 ? "1," + s.sequences() : "1";
      PeerProcess.Ended ended =
          PeerProcess.run(
              List.of(
                  command,
                  "bench",
                  "--backend=" + s.backend(),
                  "--format=json",
                  "-m=" + model,
                  "-p=" + joined(s.prompts()),
                  "-n=" + s.generated(),
                  "-b=" + sequences,
                  "-t=" + s.threads(),
                  "-r=" + s.repetitions()),
              s.deadline());
      return parse(ended);
    }

    static Samples parse(PeerProcess.Ended ended) {
      String output = ended.output();
      Map<String, Double> limits = new LinkedHashMap<>();
      Matcher limit =
          LIMIT.matcher(
              output.lines().filter(l -> l.contains("\"limits\"")).findFirst().orElse(""));
      while (limit.find()) {
        limits.put(limit.group(1), Double.valueOf(limit.group(2)));
      }
      Map<String, List<Double>> speeds = new LinkedHashMap<>();
      Map<String, Double> shares = new LinkedHashMap<>();
      Matcher run = RUN.matcher(output);
      while (run.find()) {
        String title = run.group(1);
        List<Double> each = new ArrayList<>();
        for (String seconds : run.group(5).split(",", -1)) {
          each.add(Double.parseDouble(run.group(2)) / Double.parseDouble(seconds.trim()));
        }
        speeds.put(title, each);
        boolean isPrompt = title.startsWith("pp");
        Double most = limits.get(isPrompt ? "int8OperationsPerSecond" : "readBytesPerSecond");
        if (most != null) {
          shares.put(title, Double.parseDouble(run.group(isPrompt ? 4 : 3)) / most);
        }
      }
      return known(speeds, shares, ended);
    }
  }

  /// llama.cpp's and ik_llama.cpp's `llama-bench`.
  record LlamaBench(String name, List<String> command) implements PeerEngine {
    private static final Pattern RUN =
        Pattern.compile(
            "\"n_prompt\": (\\d+),\\s+\"n_gen\": (\\d+),.*?\"avg_ts\": ([0-9.]+)"
                + "(?:(?!\"n_prompt\").)*?\"samples_ts\": \\[([^\\]]*)\\]",
            Pattern.DOTALL);

    public LlamaBench {
      command = List.copyOf(command);
    }

    @Override
    public Samples run(Path model, Settings s) throws IOException, InterruptedException {
      List<String> all = new ArrayList<>(command);
      all.addAll(
          List.of("-m", model.toString(), "-t", Integer.toString(s.threads()), "-o", "json"));
      all.addAll(List.of("-p", joined(s.prompts()), "-n", Integer.toString(s.generated())));
      all.addAll(List.of("-r", Integer.toString(s.repetitions())));
      return parse(PeerProcess.run(all, s.deadline()));
    }

    static Samples parse(PeerProcess.Ended ended) {
      String output = ended.output();
      Map<String, List<Double>> speeds = new LinkedHashMap<>();
      Matcher run = RUN.matcher(output);
      while (run.find()) {
        String title = run.group(1).equals("0") ? "tg" + run.group(2) : "pp" + run.group(1);
        List<Double> each = new ArrayList<>();
        for (String speed : run.group(4).split(",", -1)) {
          each.add(Double.valueOf(speed.trim()));
        }
        speeds.put(title, each);
      }
      return known(speeds, Map.of(), ended);
    }
  }

  /// llama3.java, whose figures are the difference of a short and a long process: what its JIT compiler
  /// takes at the start counts in both and so in neither. Its prompt goes through in pieces of 16 tokens
  /// whatever its length, so that all prompt rows have the same figure.
  record Llama3Java(String name, String path) implements PeerEngine {
    private static final int SHORT = 64;
    private static final int LONG = 320;
    private static final int FEW = 24;
    private static final int MORE = 88;
    private static final Pattern RUN =
        Pattern.compile(
            "prompt: ([0-9.]+) tokens/s \\((\\d+)\\) generation: ([0-9.]+) tokens/s \\((\\d+)\\)");

    @Override
    public Samples run(Path model, Settings s) throws IOException, InterruptedException {
      double[] few;
      double[] more;
      try {
        few = seconds(model, s, SHORT, FEW);
        more = seconds(model, s, LONG, MORE);
      } catch (PeerFailure e) {
        return new Samples(Map.of(), Map.of(), e);
      }
      double prompt = (more[0] - few[0]) / (more[1] - few[1]);
      double generated = (more[2] - few[2]) / (more[3] - few[3]);
      Map<String, List<Double>> speeds = new LinkedHashMap<>();
      for (String title : s.titles()) {
        speeds.put(title, List.of(title.startsWith("pp") ? prompt : generated));
      }
      speeds.remove(s.together());
      return new Samples(speeds, Map.of(), null);
    }

    /// Tokens and seconds of the prompt, tokens and seconds of the rest.
    private double[] seconds(Path model, Settings s, int prompt, int generated)
        throws IOException, InterruptedException, PeerFailure {
      List<String> command = new ArrayList<>();
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.addAll(
          List.of(
              "-Djava.util.concurrent.ForkJoinPool.common.parallelism=" + (s.threads() - 1),
              "--add-modules",
              "jdk.incubator.vector",
              "--enable-preview"));
      if (Files.isDirectory(Path.of(path))) {
        command.addAll(List.of("-cp", path, "com.llama4j.Llama3"));
      } else {
        command.addAll(path.endsWith(".jar") ? List.of("-jar", path) : List.of(path));
      }
      command.addAll(
          List.of(
              "--model",
              model.toString(),
              "--prompt",
              "a ".repeat(prompt),
              "-n",
              Integer.toString(prompt + generated)));
      PeerProcess.Ended ended = PeerProcess.run(command, s.deadline());
      PeerFailure failure = ended.failure();
      if (failure != null) {
        throw failure;
      }
      Matcher run = RUN.matcher(ended.output());
      if (!run.find()) {
        throw new PeerFailure("no figures", PeerProcess.tail(ended.output()), false);
      }
      double prompted = Double.parseDouble(run.group(2));
      double made = Double.parseDouble(run.group(4));
      return new double[] {
        prompted,
        prompted / Double.parseDouble(run.group(1)),
        made,
        made / Double.parseDouble(run.group(3))
      };
    }
  }

  private static Samples known(
      Map<String, List<Double>> speeds, Map<String, Double> shares, PeerProcess.Ended ended) {
    PeerFailure failure = ended.failure();
    if (failure == null && speeds.isEmpty()) {
      failure = new PeerFailure("no figures", PeerProcess.tail(ended.output()), false);
    }
    return new Samples(speeds, shares, failure);
  }
}
