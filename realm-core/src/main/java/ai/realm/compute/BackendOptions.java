package ai.realm.compute;

/// How a backend is to be opened.
///
/// @param threads compute threads; 0 for the machine's real share
/// @param repack whether weights may be repacked at load for speed, at the cost of memory that is not
///     shared with the file
public record BackendOptions(int threads, boolean repack) {
  /// All of the machine's share, repacking where it pays.
  public static final BackendOptions DEFAULT = new BackendOptions(0, true);

  public BackendOptions {
    if (threads < 0 || threads > 1024) {
      throw new IllegalArgumentException("expected 0 to 1024 threads, found " + threads);
    }
  }
}
