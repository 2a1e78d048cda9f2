package ai.realm.cli;

import ai.realm.compute.Backend;
import ai.realm.compute.Backends;
import ai.realm.compute.KvType;
import ai.realm.compute.MachineLimits;
import ai.realm.gguf.GgufFile;
import ai.realm.model.Architectures;
import ai.realm.model.CausalLm;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// `realm bench`: how fast a model runs here, beside what the machine can do.
@Command(
    name = "bench",
    description =
        "Measures prompt processing and generation of a model, and the machine's limits.%n%n"
            + "With --synthesize it writes a model of a well-known shape with random weights.")
final class BenchCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private ModelOptions model = new ModelOptions();

  @Option(
      names = {"-p", "--prompt"},
      paramLabel = "N",
      split = ",",
      description = "Prompt lengths; 0 for none (default: 512).")
  private int[] prompts = {512};

  @Option(
      names = {"-n", "--generate"},
      paramLabel = "N",
      split = ",",
      description = "Generated tokens; 0 for none (default: 128).")
  private int[] generated = {128};

  @Option(
      names = {"-b", "--sequences"},
      paramLabel = "N",
      split = ",",
      description = "Sequences that generate together (default: 1).")
  private int[] sequences = {1};

  @Option(
      names = "--kv",
      paramLabel = "TYPE",
      split = ",",
      description = "Types of keys and values: ${COMPLETION-CANDIDATES} (default: F16).")
  private KvType[] kvTypes = {KvType.F16};

  @Option(
      names = {"-r", "--repetitions"},
      paramLabel = "N",
      description = "Timed repetitions (default: 5).")
  private int repetitions = 5;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      description = "${COMPLETION-CANDIDATES} (default: TABLE).")
  private Format format = Format.TABLE;

  @Option(names = "--no-limits", description = "Do not measure the machine first.")
  private boolean withoutLimits;

  @Option(
      names = "--synthesize",
      arity = "2",
      paramLabel = "NAME",
      description = {
        "SHAPE and TYPE of a model to write to --output: tinyllama-1.1b, llama-3.2-1b,",
        "llama-3.2-3b, qwen3-0.6b, qwen3-4b; f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0."
      })
  private String @Nullable [] synthesize;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "Where the synthesized model goes.")
  private @Nullable Path output;

  enum Format {
    TABLE,
    MARKDOWN,
    JSON
  }

  BenchCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (synthesize != null) {
      synthesize(synthesize[0], synthesize[1]);
    } else {
      measure();
    }
    return ExitCode.OK;
  }

  private void synthesize(String shape, String type) {
    Path file = output;
    if (file == null) {
      throw new UsageException("--synthesize: expected --output FILE, found none");
    }
    SyntheticModel.Dimensions dimensions =
        Arrays.stream(SyntheticModel.Dimensions.values())
            .filter(d -> d.title().equals(shape))
            .findFirst()
            .orElseThrow(() ->
                new UsageException(
                    "--synthesize: expected a shape of %s, found %s"
                        .formatted(
                            String.join(
                                ", ",
                                Arrays.stream(SyntheticModel.Dimensions.values())
                                    .map(SyntheticModel.Dimensions::title)
                                    .toList()),
                            Printable.of(shape))));
    SyntheticModel.Mix mix =
        Arrays.stream(SyntheticModel.Mix.values())
            .filter(m -> m.name().equalsIgnoreCase(type))
            .findFirst()
            .orElseThrow(() ->
                new UsageException(
                    "--synthesize: expected a type of %s, found %s"
                        .formatted(
                            Arrays.toString(SyntheticModel.Mix.values()).toLowerCase(Locale.ROOT),
                            Printable.of(type))));
    new SyntheticModel(dimensions, mix).write(file);
    console.line("wrote " + Printable.of(file.toString()));
  }

  private void measure() {
    List<Benchmark.Run> runs = runs();
    Backends.Selection selection = model.openBackend(console::note);
    selection.passedOver().forEach(console::note);
    try (Backend backend = selection.backend();
        GgufFile file = model.files(console::note).open(model.file());
        CausalLm lm = Architectures.load(file, backend)) {
      Optional<MachineLimits> limits = withoutLimits ? Optional.empty() : backend.measureLimits();
      BenchReport report = new BenchReport(console, format, limits);
      report.begin(
          model.file().getFileName() + ", " + Sizes.of(file.byteSize()), backend.description());
      Benchmark benchmark = new Benchmark(backend, file, lm);
      for (Benchmark.Run run : runs) {
        report.add(benchmark.measure(run, repetitions));
      }
      report.end();
    }
  }

  private static void requireCounts(String option, int least, int[] counts) {
    for (int count : counts) {
      if (count < least) {
        throw new UsageException(
            "%s: expected %d or more, found %d".formatted(option, least, count));
      }
    }
  }

  private List<Benchmark.Run> runs() {
    requireCounts("--prompt", 0, prompts);
    requireCounts("--generate", 0, generated);
    requireCounts("--sequences", 1, sequences);
    List<Benchmark.Run> runs = new ArrayList<>();
    for (KvType kvType : kvTypes) {
      for (int prompt : prompts) {
        if (prompt > 0) {
          runs.add(new Benchmark.Run(prompt, 0, 1, kvType));
        }
      }
      for (int n : generated) {
        for (int s : sequences) {
          if (n > 0) {
            runs.add(new Benchmark.Run(0, n, s, kvType));
          }
        }
      }
    }
    if (runs.isEmpty() || repetitions < 1) {
      throw new UsageException("expected something to measure: -p, -n and -r above 0");
    }
    return runs;
  }
}
