package ai.realm.cli;

import ai.realm.compute.Backend;
import ai.realm.runtime.AdaptedModel;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.GuestTools;
import ai.realm.runtime.Isolation;
import ai.realm.runtime.RealmRuntime;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.runtime.SequenceStorage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// A model for guests: which, with which adapter, and where its guests run. The one place where the command
/// line makes a runtime.
final class RuntimeOptions {
  private static final String MODEL = "model";
  private static final String ADAPTED = "adapted";
  private static final long PRIVATE_LAYER_BYTES = 64L << 20;
  private static final long HOST_BYTES = 64L << 20;

  @Mixin private ModelOptions model = new ModelOptions();

  @Option(
      names = "--lora",
      paramLabel = "FILE",
      description = "A LoRA adapter in GGUF for this model.")
  private @Nullable Path adapter;

  @Option(
      names = "--lora-strength",
      paramLabel = "X",
      description = "Factor on what the adapter adds (default: 1).")
  private @Nullable Float adapterStrength;

  @Option(
      names = "--isolation",
      paramLabel = "LEVEL",
      converter = IsolationLevel.class,
      description =
          "Where the guest runs: in-process, or worker for a JVM of its own (default: in-process).")
  private Isolation isolation = Isolation.inProcess();

  @Option(
      names = "--saved-kv-dir",
      paramLabel = "DIR",
      description =
          "Where sequences lie that the guest saves (kv_save), for later runs; one process uses it at a time."
              + " Without it they end with the process.")
  private @Nullable Path savedFolder;

  @Option(
      names = "--saved-kv-limit",
      paramLabel = "SIZE",
      converter = Sizes.Bytes.class,
      description = "The most bytes of saved sequences, such as 512M or 4G (default: 1G).")
  private long savedBytes = 1L << 30;

  /// The model and what computes it.
  ModelOptions model() {
    return model;
  }

  /// The name under which guests open the model, with its adapter where there is one.
  String modelName() {
    return adapter == null ? MODEL : ADAPTED;
  }

  /// A runtime for one call at a time.
  ///
  /// @param sequences how many sequences of the greatest length the KV store has room for
  /// @param notices told of what the user must see once
  RealmRuntime open(Backend backend, int sequences, GuestLimits limits, Consumer<String> notices) {
    return open(backend, sequences, limits, GuestTools.NONE, notices);
  }

  /// The same with tools for its guest.
  RealmRuntime open(
      Backend backend,
      int sequences,
      GuestLimits limits,
      GuestTools tools,
      Consumer<String> notices) {
    RuntimeConfig.Builder config =
        RuntimeConfig.builder(backend)
            .model(MODEL, model.file())
            .maxContext(model.maxContext())
            .sequences(sequences)
            .memory64Bytes(PRIVATE_LAYER_BYTES)
            .limits(limits)
            .modelFiles(model.files(notices))
            .savedSequences(new SequenceStorage(savedBytes, savedFolder));
    if (adapter != null) {
      config.adapted(
          ADAPTED, new AdaptedModel(MODEL, adapter, adapterStrength == null ? 1 : adapterStrength));
    }
    // One user: layers are bounded by what the host has for them, and what may be saved may be
    // read again.
    ResourceLimits taken =
        ResourceLimits.builder()
            .guest(limits)
            .savedKvBytes(savedBytes)
            .hostBytes(Math.max(HOST_BYTES, savedBytes))
            .layerBytes(Long.MAX_VALUE)
            .build();
    return new RealmRuntime(config.build(), taken, tools, isolation);
  }

  /// @throws UsageException naming the option that cannot be
  void check() {
    model.check();
    if (adapterStrength != null && (adapter == null || !Float.isFinite(adapterStrength))) {
      throw new UsageException(
          adapter == null
              ? "--lora-strength: expected an adapter for it, --lora, found none"
              : "--lora-strength: expected a number, found " + adapterStrength);
    }
    if (savedFolder != null && Files.exists(savedFolder) && !Files.isDirectory(savedFolder)) {
      throw new UsageException(
          "--saved-kv-dir %s: expected a folder, found a file".formatted(savedFolder));
    }
  }

  /// Reads `--isolation`.
  static final class IsolationLevel implements ITypeConverter<Isolation> {
    @Override
    public Isolation convert(String level) {
      return switch (level) {
        case "in-process" -> Isolation.inProcess();
        case "worker" -> Isolation.worker();
        default ->
            throw new TypeConversionException(
                "expected in-process or worker, found '%s'".formatted(level));
      };
    }
  }
}
