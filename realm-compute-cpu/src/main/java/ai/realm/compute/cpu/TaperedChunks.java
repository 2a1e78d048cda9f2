package ai.realm.compute.cpu;

/// How products that stream through memory are shared: long chunks first, so that threads read long runs,
/// then ever shorter ones, so that all end together. Each round of one chunk a thread takes a share of
/// what is left.
final class TaperedChunks {
  private static final int ROUNDS = 4;
  private static final double SHARE_PER_ROUND = 0.75;

  private TaperedChunks() {}

  /// Most chunks that [#split] makes.
  static int most(int threads) {
    return threads * ROUNDS;
  }

  /// Splits `units` of work for `threads`; chunk i ends before unit `ends[i]`.
  ///
  /// @param ends at least [#most] long
  /// @return the number of chunks
  static int split(int units, int threads, int[] ends) {
    int end = 0;
    int chunks = 0;
    for (int round = 0; end < units; round++) {
      int left = units - end;
      int size =
          round + 1 == ROUNDS
              ? Math.ceilDiv(left, threads)
              : Math.max(1, (int) (left * SHARE_PER_ROUND) / threads);
      for (int t = 0; t < threads && end < units; t++) {
        end = Math.min(units, end + size);
        ends[chunks++] = end;
      }
    }
    return chunks;
  }
}
