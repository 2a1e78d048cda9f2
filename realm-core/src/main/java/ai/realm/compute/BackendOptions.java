package ai.realm.compute;

import org.jspecify.annotations.Nullable;

/// How a backend is to be opened.
///
/// @param threads compute threads; 0 for the machine's real share
/// @param repack whether weights may be repacked at load for speed, at the cost of memory that is not
///     shared with the file
/// @param weightsCache allows repacked weights to be kept on disk; null where they may not be
/// @param batchInvariant whether results must be those of [Backend#isBatchInvariant], also where it costs speed
public record BackendOptions(
    int threads, boolean repack, @Nullable WeightsCache weightsCache, boolean batchInvariant) {
  /// The most threads that may be asked for.
  public static final int MAX_THREADS = 1024;

  /// All of the machine's share, repacking where it pays, nothing on disk.
  public static final BackendOptions DEFAULT = new BackendOptions(0, true);

  public BackendOptions {
    if (threads < 0 || threads > MAX_THREADS) {
      throw new IllegalArgumentException(
          "expected 0 to %d threads, found %d".formatted(MAX_THREADS, threads));
    }
  }

  /// Nothing on disk.
  public BackendOptions(int threads, boolean repack) {
    this(threads, repack, null, false);
  }

  /// The same with repacked weights on disk, or with null without.
  public BackendOptions withWeightsCache(@Nullable WeightsCache cache) {
    return new BackendOptions(threads, repack, cache, batchInvariant);
  }

  /// The same with results that do not depend on what else is computed in a step, or not necessarily so.
  public BackendOptions withBatchInvariance(boolean required) {
    return new BackendOptions(threads, repack, weightsCache, required);
  }
}
