package ai.realm.engine;

import ai.realm.compute.Adapter;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The begin of prompts whose keys and values every tenant may reuse, until it is closed: what
/// [Engine#publish] computed. It is found again only by the same tokens, compared one by one, with the same
/// adapter. Its blocks are not taken when others run out.
public final class PublishedPrefix implements AutoCloseable {
  private final SequenceCalls calls;
  private final @Nullable Adapter adapter;
  private final int[] tokens;
  final int[] blocks;

  /// @param tokens of full blocks only, at least of one
  PublishedPrefix(SequenceCalls calls, @Nullable Adapter adapter, int[] tokens, int[] blocks) {
    this.calls = calls;
    this.adapter = adapter;
    this.tokens = tokens;
    this.blocks = blocks;
  }

  /// Number of tokens that others reuse: of full blocks only.
  public int length() {
    return tokens.length;
  }

  /// How many of its blocks begin a prompt; tokens from `limit` on do not count.
  int match(@Nullable Adapter other, int[] ids, int limit) {
    if (adapter != other) {
      return 0;
    }
    int most = Math.min(tokens.length, limit);
    int differs = Arrays.mismatch(tokens, 0, most, ids, 0, most);
    int blockSize = tokens.length / blocks.length;
    return (differs < 0 ? most : differs) / blockSize;
  }

  /// Withdraws it: no sequence finds it any more. Those that have found it keep what they have, and so does
  /// each such tenant's own cache. Closing twice does nothing.
  @Override
  public void close() {
    calls.withdraw(this);
  }
}
