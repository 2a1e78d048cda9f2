package ai.realm.cli;

import ai.realm.compute.BackendProvider;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.TensorInfo;
import ai.realm.model.Architectures;
import ai.realm.tensor.BlockCodec;
import java.lang.management.ManagementFactory;
import java.lang.module.ModuleFinder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;

/// Whether a model runs on this machine: on which backend and in how much memory, or why not. Reads
/// metadata only; no weight is touched.
///
/// @param runs whether it will run
/// @param lines what to tell the user
record Fit(boolean runs, List<String> lines) {
  private static final String VECTOR_MODULE = "jdk.incubator.vector";
  private static final int KV_BYTES = 2; // F16
  private static final long WORK_BYTES = 150L << 20;

  Fit {
    lines = List.copyOf(lines);
  }

  static Fit of(GgufFile gguf) {
    List<String> obstacles = new ArrayList<>();
    List<String> remarks = new ArrayList<>();
    checkArchitecture(gguf, obstacles);
    checkTypes(gguf, obstacles);
    Optional<String> backend = backend(remarks);
    if (backend.isEmpty()) {
      obstacles.add("no backend can run here");
    }
    long machine = machineMemory();
    Optional<Memory> memory = Memory.of(gguf);
    if (memory.isPresent() && memory.get().total() > machine) {
      obstacles.add(
          "it takes about %s of memory, this machine has %s"
              .formatted(Sizes.of(memory.get().total()), Sizes.of(machine)));
    }
    List<String> lines = new ArrayList<>();
    lines.add(
        obstacles.isEmpty()
            ? "runs here: yes, on the %s backend".formatted(backend.orElseThrow())
            : "runs here: no: " + String.join("; ", obstacles));
    memory.ifPresent(m -> lines.add(m.describe(machine)));
    lines.addAll(remarks);
    return new Fit(obstacles.isEmpty(), lines);
  }

  private static void checkArchitecture(GgufFile gguf, List<String> obstacles) {
    String architecture = gguf.metadata().string("general.architecture", "(none)");
    if (!Architectures.supported().contains(architecture)) {
      obstacles.add(
          "architecture %s: expected one of %s"
              .formatted(Printable.of(architecture), String.join(", ", Architectures.supported())));
    }
  }

  private static void checkTypes(GgufFile gguf, List<String> obstacles) {
    TreeSet<String> unknown = new TreeSet<>();
    for (TensorInfo tensor : gguf.tensors()) {
      try {
        BlockCodec.of(tensor.type());
      } catch (IllegalArgumentException e) {
        unknown.add(ErrorReporter.sentence(e));
      }
    }
    obstacles.addAll(unknown);
  }

  /// The best backend, as `realm run` will choose it.
  private static Optional<String> backend(List<String> remarks) {
    for (BackendProvider provider : Backends.installed()) {
      String reason = provider.unavailableReason();
      if (reason.isEmpty() || launcherMakesAvailable(provider)) {
        return Optional.of(provider.name());
      }
      remarks.add("backend %s is not available: %s".formatted(provider.name(), reason));
    }
    return Optional.empty();
  }

  /// This command starts without the vector module, `realm run` with it.
  private static boolean launcherMakesAvailable(BackendProvider provider) {
    return provider.name().equals("vector")
        && ModuleLayer.boot().findModule(VECTOR_MODULE).isEmpty()
        && ModuleFinder.ofSystem().find(VECTOR_MODULE).isPresent();
  }

  private static long machineMemory() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize()
        : Long.MAX_VALUE;
  }

  /// What the model takes when it runs.
  ///
  /// @param weights bytes of all tensors
  /// @param kv bytes of keys and values of a full context
  /// @param context tokens of that context
  private record Memory(long weights, long kv, int context) {
    static Optional<Memory> of(GgufFile gguf) {
      GgufMetadata metadata = gguf.metadata();
      String architecture = metadata.string("general.architecture", "");
      long weights = gguf.tensors().stream().mapToLong(TensorInfo::byteSize).sum();
      int layers = metadata.int32(architecture + ".block_count", 0);
      int context =
          Math.min(
              metadata.int32(architecture + ".context_length", 0), ModelOptions.DEFAULT_CONTEXT);
      int heads = metadata.int32(architecture + ".attention.head_count", 0);
      int width = metadata.int32(architecture + ".embedding_length", 0);
      if (layers < 1 || context < 1 || heads < 1 || width < 1) {
        return Optional.empty();
      }
      int headLength = width / heads;
      long length =
          (long) metadata.int32(architecture + ".attention.key_length", headLength)
              + metadata.int32(architecture + ".attention.value_length", headLength);
      long kvHeads = kvHeads(metadata, architecture + ".attention.head_count_kv", layers, heads);
      return Optional.of(new Memory(weights, kvHeads * length * KV_BYTES * context, context));
    }

    /// Key/value heads of all layers together; a file gives one number or one per layer.
    private static long kvHeads(GgufMetadata metadata, String key, int layers, int heads) {
      if (metadata.find(key).orElse(null) instanceof GgufValue.Arr(var perLayer)
          && perLayer.isNumbers()) {
        long sum = 0;
        for (int i = 0; i < perLayer.size(); i++) {
          sum += perLayer.integer(i);
        }
        return sum;
      }
      return (long) layers * metadata.int32(key, heads);
    }

    long total() {
      return weights + kv + WORK_BYTES;
    }

    String describe(long machine) {
      return "memory: about %s of %s: weights %s (mapped), keys and values %s for %d tokens, work space"
          .formatted(
              Sizes.of(total()), Sizes.of(machine), Sizes.of(weights), Sizes.of(kv), context);
    }
  }
}
