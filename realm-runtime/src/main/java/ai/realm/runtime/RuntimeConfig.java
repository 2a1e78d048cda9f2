package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.compute.KvType;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/// What a [RealmRuntime] works with.
///
/// @param models model files by the names that guests open them by
/// @param backend what computes; stays the caller's to close
/// @param maxContext the most tokens of a sequence; the model's own bound holds as well
/// @param sequences full sequences that the KV memory of a model holds
/// @param kvType how keys and values are stored
/// @param memory64Bytes host memory for the guests' private layers
/// @param limits what a guest may take
/// @param maxBatch the most sequences of one forward step; 1 turns batching off
/// @param adapted models with an adapter, by the names that guests open them by
/// @param savedSequences where sequences lie that guests save
/// @param modelFiles how model files come into the process
public record RuntimeConfig(
    Map<String, Path> models,
    Backend backend,
    int maxContext,
    int sequences,
    KvType kvType,
    long memory64Bytes,
    GuestLimits limits,
    int maxBatch,
    Map<String, AdaptedModel> adapted,
    SequenceStorage savedSequences,
    ModelFiles modelFiles) {
  public RuntimeConfig {
    models = Map.copyOf(models);
    if (maxContext < 1 || sequences < 1 || memory64Bytes < 0 || maxBatch < 1) {
      throw new IllegalArgumentException(
          "expected positive maxContext, sequences and maxBatch and memory64Bytes of at least 0, found %d, %d, %d, %d"
              .formatted(maxContext, sequences, maxBatch, memory64Bytes));
    }
    adapted = Map.copyOf(adapted);
    for (Map.Entry<String, AdaptedModel> entry : adapted.entrySet()) {
      if (models.containsKey(entry.getKey()) || !models.containsKey(entry.getValue().base())) {
        throw new IllegalArgumentException(
            "adapted model %s: expected a name of its own and one of the models %s as its base, found %s"
                .formatted(entry.getKey(), models.keySet(), entry.getValue().base()));
      }
    }
  }

  /// One model, and otherwise what [#builder] says.
  public static RuntimeConfig of(String name, Path model, Backend backend) {
    return builder(backend).model(name, model).build();
  }

  /// No model yet, room for two sequences of up to 8192 tokens in F16, steps of up to 64 sequences, 1 GiB of private
  /// layers, [GuestLimits#DEFAULT], no adapters, saved sequences in memory, model files that are mapped with a line in
  /// the JVM's log where one might change.
  public static Builder builder(Backend backend) {
    return new Builder(backend);
  }

  /// A builder that starts from this.
  public Builder toBuilder() {
    Builder builder =
        new Builder(backend)
            .maxContext(maxContext)
            .sequences(sequences)
            .kvType(kvType)
            .memory64Bytes(memory64Bytes)
            .limits(limits)
            .maxBatch(maxBatch)
            .savedSequences(savedSequences)
            .modelFiles(modelFiles);
    models.forEach(builder::model);
    adapted.forEach(builder::adapted);
    return builder;
  }

  /// Collects a configuration; [#build] checks it.
  public static final class Builder {
    private final Map<String, Path> models = new HashMap<>();
    private final Backend backend;
    private int maxContext = 8192;
    private int sequences = 2;
    private KvType kvType = KvType.F16;
    private long memory64Bytes = 1L << 30;
    private GuestLimits limits = GuestLimits.DEFAULT;
    private int maxBatch = 64;
    private final Map<String, AdaptedModel> adapted = new HashMap<>();
    private SequenceStorage savedSequences = SequenceStorage.inMemory();
    private ModelFiles modelFiles = ModelFiles.logged();

    private Builder(Backend backend) {
      this.backend = backend;
    }

    /// A model file by the name that guests open it by.
    public Builder model(String name, Path file) {
      models.put(name, file);
      return this;
    }

    /// The most tokens of a sequence.
    public Builder maxContext(int tokens) {
      maxContext = tokens;
      return this;
    }

    /// Full sequences that the KV memory of a model holds.
    public Builder sequences(int value) {
      sequences = value;
      return this;
    }

    /// How keys and values are stored.
    public Builder kvType(KvType value) {
      kvType = value;
      return this;
    }

    /// Host memory for the guests' private layers.
    public Builder memory64Bytes(long value) {
      memory64Bytes = value;
      return this;
    }

    /// What a guest may take.
    public Builder limits(GuestLimits value) {
      limits = value;
      return this;
    }

    /// The most sequences of one forward step; 1 turns batching off.
    public Builder maxBatch(int value) {
      maxBatch = value;
      return this;
    }

    /// A further name, for one of the models with an adapter.
    public Builder adapted(String name, AdaptedModel model) {
      adapted.put(name, model);
      return this;
    }

    /// Where sequences lie that guests save.
    public Builder savedSequences(SequenceStorage value) {
      savedSequences = value;
      return this;
    }

    /// How model files come into the process.
    public Builder modelFiles(ModelFiles value) {
      modelFiles = value;
      return this;
    }

    /// Model files and adapters are copied into memory, so that whatever happens to the files afterwards is of no
    /// concern: for files that others may change.
    public Builder copiedModels() {
      return modelFiles(ModelFiles.inMemory());
    }

    /// The configuration.
    ///
    /// @throws IllegalArgumentException where a size is not positive, or an adapted model has the name of a model or a
    ///     base that is none
    public RuntimeConfig build() {
      return new RuntimeConfig(
          models,
          backend,
          maxContext,
          sequences,
          kvType,
          memory64Bytes,
          limits,
          maxBatch,
          adapted,
          savedSequences,
          modelFiles);
    }
  }
}
