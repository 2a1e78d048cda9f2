package ai.realm.engine;

import java.util.BitSet;
import java.util.List;
import java.util.function.LongSupplier;

/// Whether a sequence's step can have the blocks that it was admitted with. Whoever cannot takes nothing from
/// others and keeps nothing: else it would wait for sequences that go first while all behind it wait
/// for it. Guarded by the engine's lock.
final class BlockDemand {
  /// A sequence idle for less than this is about to step again: taking its blocks would only be undone.
  static final long IDLE_GRACE_NANOS = 50_000_000;

  private final EngineConfig config;
  private final BlockPool pool;
  private final List<Sequence> sequences;
  private final List<PublishedPrefix> published;
  private final LongSupplier nanoClock;
  private final BitSet taken = new BitSet();

  BlockDemand(
      EngineConfig config,
      BlockPool pool,
      List<Sequence> sequences,
      List<PublishedPrefix> published,
      LongSupplier nanoClock) {
    this.config = config;
    this.pool = pool;
    this.sequences = sequences;
    this.published = published;
    this.nanoClock = nanoClock;
  }

  /// Which of two sequences gives its blocks to the other: that of lower priority, then the younger one.
  static boolean comesAfter(Sequence a, Sequence b) {
    int byPriority = a.tenant.share().priority().compareTo(b.tenant.share().priority());
    return byPriority != 0 ? byPriority < 0 : a.number > b.number;
  }

  /// Whether there are enough blocks for the whole step of a sequence besides those that are published and those
  /// of sequences that go before it. What it shares with them counts as its own.
  boolean canBeMet(Sequence s) {
    long now = nanoClock.getAsLong();
    taken.clear();
    markPublished();
    for (int i = 0; i < sequences.size(); i++) {
      Sequence other = sequences.get(i);
      boolean active = other.stepping || now - other.lastUsedNanos <= IDLE_GRACE_NANOS;
      if (other != s && active && !comesAfter(other, s)) {
        mark(other.blocks, other.blockCount);
      }
    }
    // The block that it writes next is copied where others have it too.
    int whole = Math.min(s.blockCount, s.cached / config.blockSize());
    for (int i = 0; i < whole; i++) {
      taken.clear(s.blocks[i]);
    }
    return s.promised() <= pool.blocks() - taken.cardinality();
  }

  /// Whether so many blocks are there besides what is published, of which the first `shared` serve as well.
  boolean fits(int needed, int shared) {
    taken.clear();
    markPublished();
    return needed - shared <= pool.blocks() - taken.cardinality();
  }

  /// Blocks that are published.
  int publishedBlocks() {
    taken.clear();
    markPublished();
    return taken.cardinality();
  }

  /// How many published blocks a prompt finds; tokens from `limit` on do not count.
  int published(Sequence s, int limit) {
    int most = 0;
    for (int i = 0; i < published.size(); i++) {
      most = Math.max(most, published.get(i).match(s.adapter, s.tokens, limit));
    }
    return most;
  }

  /// Whether a sequence would find more published blocks if it began anew.
  boolean hasCopiesOfPublished(Sequence s, int limit) {
    taken.clear();
    markPublished();
    int matching = Math.min(published(s, limit), s.blockCount);
    for (int i = 0; i < matching; i++) {
      if (!taken.get(s.blocks[i])) {
        return true;
      }
    }
    return false;
  }

  private void markPublished() {
    for (int i = 0; i < published.size(); i++) {
      int[] blocks = published.get(i).blocks;
      mark(blocks, blocks.length);
    }
  }

  private void mark(int[] blocks, int count) {
    for (int i = 0; i < count; i++) {
      taken.set(blocks[i]);
    }
  }
}
