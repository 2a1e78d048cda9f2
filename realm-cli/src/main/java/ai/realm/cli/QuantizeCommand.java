package ai.realm.cli;

import ai.realm.gguf.GgufFile;
import ai.realm.quantize.ImportanceMatrix;
import ai.realm.quantize.QuantizationException;
import ai.realm.quantize.QuantizationMix;
import ai.realm.quantize.QuantizationProgress;
import ai.realm.quantize.Quantizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/// `realm quantize`: a model with fewer bits.
@Command(
    name = "quantize",
    description = {
      "Writes a model with fewer bits, to the same bytes as llama-quantize.",
      "The new file appears as a whole or not at all."
    })
final class QuantizeCommand implements Callable<Integer> {
  private final Console console;

  @Option(
      names = "--imatrix",
      paramLabel = "FILE",
      description = "Importance matrix from llama-imatrix: which errors matter.")
  private @Nullable Path imatrix;

  @Option(
      names = "--allow-requantize",
      description = "Also quantize what is quantized already; this costs quality.")
  private boolean requantize;

  @Option(names = "--threads", paramLabel = "N", description = "How many threads; default: all.")
  private int threads = Runtime.getRuntime().availableProcessors();

  @Parameters(index = "0", paramLabel = "IN", description = "A GGUF file, best F32, F16 or BF16.")
  private Path in = Path.of("");

  @Parameters(index = "1", paramLabel = "OUT", description = "Where the new file will lie.")
  private Path out = Path.of("");

  @Parameters(
      index = "2",
      paramLabel = "TYPE",
      converter = MixConverter.class,
      description = "Such as Q4_K_M, Q5_K_M, Q6_K, Q8_0, IQ4_XS, F16; a wrong one lists all.")
  private QuantizationMix mix = QuantizationMix.Q4_K_M;

  /// Names as [QuantizationMix#of] takes them.
  static final class MixConverter implements ITypeConverter<QuantizationMix> {
    @Override
    public QuantizationMix convert(String name) {
      try {
        return QuantizationMix.of(name);
      } catch (QuantizationException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  QuantizeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    if (threads < 1) {
      throw new UsageException("--threads: expected 1 or more, found " + threads);
    }
    long started = System.nanoTime();
    Thread self = Thread.currentThread();
    AtomicBoolean stopped = new AtomicBoolean();
    Optional<ImportanceMatrix> importance =
        Optional.ofNullable(imatrix).map(ImportanceMatrix::open);
    try (GgufFile model = GgufFile.open(in);
        ProgressLine line = new ProgressLine(console);
        Interruption _ =
            new Interruption(() -> {
              stopped.set(true);
              self.interrupt();
            })) {
      long bytes = model.byteSize();
      QuantizationProgress progress =
          step -> {
            double part = (double) step.doneWeights() / Math.max(1, step.totalWeights());
            line.update("quantizing to " + mix, (long) (part * bytes), bytes);
          };
      new Quantizer(mix, threads, requantize, importance, progress).quantize(model, out);
      line.close();
      console.note(
          String.format(
              Locale.ROOT,
              "[%s: %s to %s, %s, %.1f s]",
              Printable.of(out.toString()),
              Sizes.of(bytes),
              Sizes.of(Files.size(out)),
              mix,
              (System.nanoTime() - started) / 1e9));
      return ExitCode.OK;
    } catch (RuntimeException e) {
      if (stopped.get()) {
        console.note("realm: stopped; nothing was written");
        return ExitCode.INTERRUPTED;
      }
      throw e;
    }
  }
}
