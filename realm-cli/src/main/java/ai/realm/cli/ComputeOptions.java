package ai.realm.cli;

import ai.realm.compute.BackendOptions;
import ai.realm.compute.BackendProvider;
import ai.realm.compute.Backends;
import java.util.List;
import java.util.function.Consumer;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// What computes a model.
final class ComputeOptions {
  private static final String BEST = "auto";

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      description = "native, vector, naive, or auto for the best that runs here (default: auto).")
  private String backend = BEST;

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      description = "Compute threads (default: the machine's share).")
  private int threads;

  @Mixin private WeightsCacheOptions weightsCache = new WeightsCacheOptions();

  /// @throws UsageException naming the option that cannot be
  void check() {
    List<String> names = Backends.installed().stream().map(BackendProvider::name).toList();
    if (!backend.equals(BEST) && !names.contains(backend)) {
      throw new UsageException(
          "--backend: expected %s or one of %s, found %s"
              .formatted(BEST, String.join(", ", names), backend));
    }
    if (threads < 0 || threads > BackendOptions.MAX_THREADS) {
      throw new UsageException(
          "--threads: expected 0 to %d, found %d".formatted(BackendOptions.MAX_THREADS, threads));
    }
  }

  /// Opens the backend.
  ///
  /// @param batchInvariant see [BackendOptions#batchInvariant]
  /// @param notices told what becomes of the packed weights on disk
  Backends.Selection open(boolean batchInvariant, Consumer<String> notices) {
    check();
    return Backends.open(
        backend,
        new BackendOptions(threads, true)
            .withWeightsCache(weightsCache.cache(notices))
            .withBatchInvariance(batchInvariant));
  }

  WeightsCacheOptions weightsCache() {
    return weightsCache;
  }
}
