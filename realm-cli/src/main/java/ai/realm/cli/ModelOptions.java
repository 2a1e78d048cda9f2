package ai.realm.cli;

import ai.realm.compute.Backends;
import ai.realm.runtime.ModelFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Which model, and what computes it.
final class ModelOptions {
  /// Set by the launcher: the folder that holds `models/`.
  static final String HOME = "realm.home";

  /// The most tokens of a sequence unless asked for more: bounds the memory of long-context models.
  static final int DEFAULT_CONTEXT = 8192;

  private static final String BUNDLED = "models/realm-sample-q8_0.gguf";

  @Option(
      names = {"-m", "--model"},
      paramLabel = "FILE",
      description = "A GGUF file (default: the small bundled sample model).")
  private @Nullable Path model;

  @Mixin private ComputeOptions compute = new ComputeOptions();

  @Option(
      names = {"-c", "--context"},
      paramLabel = "N",
      converter = Context.class,
      description = "Most tokens of prompt and answer (default: the model's own, at most 8192).")
  private int context;

  @Option(
      names = "--copy-model",
      description =
          "Copy the model into memory instead of mapping its file, which others may then change: takes the"
              + " file's size in memory besides.")
  private boolean copied;

  @Option(
      names = "--batch-invariant",
      description =
          "Compute every sequence bit for bit as if it were alone, whatever else is in a step. Costs nothing on the"
              + " native backend but AMX, which stays unused; slow on the vector backend.")
  private boolean batchInvariant;

  /// The model file.
  ///
  /// @throws IllegalStateException when none was named and the bundled one is not there
  Path file() {
    if (model != null) {
      return model;
    }
    String home = System.getProperty(HOME);
    Path bundled = Path.of(home == null ? "" : home).resolve(BUNDLED).toAbsolutePath();
    if (!Files.isRegularFile(bundled)) {
      throw new IllegalStateException(
          "%s: the bundled model is not there; name a file with --model".formatted(bundled));
    }
    return bundled;
  }

  /// @throws UsageException naming the option that cannot be
  void check() {
    compute.check();
  }

  /// Opens what computes.
  ///
  /// @param notices told what becomes of the packed weights on disk
  Backends.Selection openBackend(Consumer<String> notices) {
    return compute.open(batchInvariant, notices);
  }

  /// How the model's file comes into the process.
  ///
  /// @param notices told where it is mapped and others may change it
  ModelFiles files(Consumer<String> notices) {
    return copied
        ? ModelFiles.inMemory()
        : ModelFiles.mapped(line -> notices.accept(line + " (--copy-model)"));
  }

  /// Whether packed weights of the model seem to be on disk, so that the model itself is hardly read.
  boolean hasPackedWeights() {
    return compute.weightsCache().hasFile(file());
  }

  /// Reads `--context`.
  static final class Context implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String text) {
      if (text.matches("[0-9]{1,9}") && Integer.parseInt(text) > 0) {
        return Integer.valueOf(text);
      }
      throw new TypeConversionException(
          "expected a number of tokens, at least 1, found '%s'".formatted(text));
    }
  }

  /// The most tokens of a sequence; the model's own bound holds as well.
  int maxContext() {
    return context > 0 ? context : DEFAULT_CONTEXT;
  }
}
