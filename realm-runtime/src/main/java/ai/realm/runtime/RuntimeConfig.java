package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.compute.KvType;
import java.nio.file.Path;
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
  /// Sequences of one forward step where nothing else is said.
  private static final int MAX_BATCH = 64;

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

  /// The same with batches of any size.
  public RuntimeConfig(
      Map<String, Path> models,
      Backend backend,
      int maxContext,
      int sequences,
      KvType kvType,
      long memory64Bytes,
      GuestLimits limits) {
    this(
        models,
        backend,
        maxContext,
        sequences,
        kvType,
        memory64Bytes,
        limits,
        MAX_BATCH,
        Map.of(),
        SequenceStorage.inMemory(),
        ModelFiles.logged());
  }

  /// The same with sequences that guests save in memory.
  public RuntimeConfig(
      Map<String, Path> models,
      Backend backend,
      int maxContext,
      int sequences,
      KvType kvType,
      long memory64Bytes,
      GuestLimits limits,
      int maxBatch,
      Map<String, AdaptedModel> adapted) {
    this(
        models,
        backend,
        maxContext,
        sequences,
        kvType,
        memory64Bytes,
        limits,
        maxBatch,
        adapted,
        SequenceStorage.inMemory(),
        ModelFiles.logged());
  }

  /// The same with files that are mapped, and a line in the JVM's log where one might change.
  public RuntimeConfig(
      Map<String, Path> models,
      Backend backend,
      int maxContext,
      int sequences,
      KvType kvType,
      long memory64Bytes,
      GuestLimits limits,
      int maxBatch,
      Map<String, AdaptedModel> adapted,
      SequenceStorage savedSequences) {
    this(
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
        ModelFiles.logged());
  }

  /// One model, room for two sequences of up to 8192 tokens, 1 GiB of private layers.
  public static RuntimeConfig of(String name, Path model, Backend backend) {
    return new RuntimeConfig(
        Map.of(name, model), backend, 8192, 2, KvType.F16, 1L << 30, GuestLimits.DEFAULT);
  }

  /// The same with other limits.
  public RuntimeConfig withLimits(GuestLimits other) {
    return new RuntimeConfig(
        models,
        backend,
        maxContext,
        sequences,
        kvType,
        memory64Bytes,
        other,
        maxBatch,
        adapted,
        savedSequences,
        modelFiles);
  }

  /// The same with another bound on sequences.
  public RuntimeConfig withMaxContext(int tokens) {
    return new RuntimeConfig(
        models,
        backend,
        tokens,
        sequences,
        kvType,
        memory64Bytes,
        limits,
        maxBatch,
        adapted,
        savedSequences,
        modelFiles);
  }

  /// The same with another bound on the sequences of one forward step.
  public RuntimeConfig withMaxBatch(int most) {
    return new RuntimeConfig(
        models,
        backend,
        maxContext,
        sequences,
        kvType,
        memory64Bytes,
        limits,
        most,
        adapted,
        savedSequences,
        modelFiles);
  }

  /// The same with models that have adapters.
  public RuntimeConfig withAdapted(Map<String, AdaptedModel> others) {
    return new RuntimeConfig(
        models,
        backend,
        maxContext,
        sequences,
        kvType,
        memory64Bytes,
        limits,
        maxBatch,
        others,
        savedSequences,
        modelFiles);
  }

  /// The same with sequences that guests save elsewhere.
  public RuntimeConfig withSavedSequences(SequenceStorage storage) {
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
        storage,
        modelFiles);
  }

  /// The same with model files that come into the process in another way.
  public RuntimeConfig withModelFiles(ModelFiles files) {
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
        files);
  }

  /// The same with model files and adapters that are copied into memory, so that whatever happens to the files
  /// afterwards is of no concern: for files that others may change.
  public RuntimeConfig withCopiedModels() {
    return withModelFiles(ModelFiles.inMemory());
  }
}
