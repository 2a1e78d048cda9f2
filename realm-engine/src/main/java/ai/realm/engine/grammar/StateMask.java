package ai.realm.engine.grammar;

import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// The tokens that a state allows whatever its stack, and the trie nodes at which its machine may have
/// ended, from where the stack decides. Most of a vocabulary is settled here, once.
///
/// A state in the body of a counted machine is taken as if its count had no bounds; what each token
/// needs of the count is kept beside it. Immutable.
final class StateMask {
  private static final int[] NONE = {};

  /// Two lists of 256 references, and what surrounds them.
  private static final int EMPTY_BYTES = 2200;

  /// Allowed tokens; with needs, ordered by need.
  private final int[] tokens;

  /// The same as bits, when they are many.
  private final long @Nullable [] bits;

  /// Repetitions that each token starts; empty when the machine is not counted.
  private final int[] needs;

  /// By the byte that follows: trie nodes, whose parent is where the machine may have ended.
  private final int[][] exits;

  /// Repetitions that are finished there.
  private final int[][] exitCounts;

  private StateMask(int[] tokens, int[] needs, int words, int[][] exits, int[][] exitCounts) {
    this.tokens = tokens;
    this.needs = needs;
    this.exits = exits;
    this.exitCounts = exitCounts;
    long[] all = null;
    if (tokens.length > words) {
      all = new long[words];
      for (int t : tokens) {
        all[t >> 6] |= 1L << t;
      }
    }
    this.bits = all;
  }

  /// Number of tokens that it allows.
  int tokens() {
    return tokens.length;
  }

  int byteSize() {
    int size =
        EMPTY_BYTES + 4 * (tokens.length + needs.length) + (bits == null ? 0 : 8 * bits.length);
    for (int[] nodes : exits) {
      size += 8 * nodes.length;
    }
    return size;
  }

  int[] exits(int firstByte) {
    return exits[firstByte];
  }

  /// Whether exit i behind a byte is open when `count` repetitions were finished before.
  boolean isOpen(int firstByte, int i, int count, int min, int max) {
    int done = count + exitCounts[firstByte][i];
    return done >= min && done <= max;
  }

  /// Adds the tokens of a state that is not counted.
  void addTo(long[] allowed) {
    if (bits == null) {
      for (int t : tokens) {
        allowed[t >> 6] |= 1L << t;
      }
    } else {
      for (int i = 0; i < bits.length; i++) {
        allowed[i] |= bits[i];
      }
    }
  }

  /// Adds the tokens that start at most `left` repetitions.
  ///
  /// @param scratch words of the size of `allowed`
  void addTo(long[] allowed, int left, long[] scratch) {
    int upTo = tokens.length;
    if (needs.length > 0 && needs[needs.length - 1] > left) {
      upTo = Arrays.binarySearch(needs, left + 1);
      upTo = upTo < 0 ? -upTo - 1 : upTo;
      while (upTo > 0 && needs[upTo - 1] > left) {
        upTo--;
      }
    }
    long[] all = bits;
    if (all == null || upTo < tokens.length - upTo) {
      for (int i = 0; i < upTo; i++) {
        allowed[tokens[i] >> 6] |= 1L << tokens[i];
      }
      return;
    }
    System.arraycopy(all, 0, scratch, 0, all.length);
    for (int i = upTo; i < tokens.length; i++) {
      scratch[tokens[i] >> 6] &= ~(1L << tokens[i]);
    }
    for (int i = 0; i < all.length; i++) {
      allowed[i] |= scratch[i];
    }
  }

  /// The mask of a state of a machine that is not counted.
  /// @param follow bytes behind the machine's end that matter
  /// @param work pays for each step
  static StateMask of(Automaton automaton, TokenTrie trie, int state, BitSet follow, Work work) {
    Positions positions = new Positions(automaton, work);
    Position[] path = new Position[trie.maxDepth + 1];
    path[0] = positions.at(state, null);
    int[] found = new int[16];
    int n = 0;
    Exits exits = new Exits(trie, follow);
    for (int i = 1; i < trie.label.length; ) {
      int d = trie.depth[i];
      work.spend(1);
      Position to = positions.step(path[d - 1], automaton.classes.of(trie.label[i] & 0xFF));
      if (to == Position.DEAD) {
        i = trie.end[i];
        continue;
      }
      path[d] = to;
      for (int k = trie.tokenStart[i]; k < trie.tokenStart[i + 1]; k++) {
        found = grown(found, n);
        found[n++] = trie.tokens[k];
      }
      if (to.complete) {
        exits.add(i, 0);
      }
      i++;
    }
    return exits.finish(Arrays.copyOf(found, n), NONE);
  }

  /// The mask of a state in the body of a counted machine.
  /// @param follow bytes behind the machine's end that matter
  /// @param work pays for each step
  static StateMask ofBody(
      Automaton automaton, TokenTrie trie, int state, int bodyStart, BitSet follow, Work work) {
    int[] path = new int[trie.maxDepth + 1];
    int[] counts = new int[trie.maxDepth + 1];
    path[0] = state;
    int[] found = new int[16];
    int[] needed = new int[16];
    int n = 0;
    Exits exits = new Exits(trie, follow);
    for (int i = 1; i < trie.label.length; ) {
      int d = trie.depth[i];
      work.spend(1);
      int to = automaton.move(path[d - 1], automaton.classes.of(trie.label[i] & 0xFF));
      if (to < 0) {
        i = trie.end[i];
        continue;
      }
      boolean ended = automaton.accepting[to];
      path[d] = ended ? bodyStart : to;
      counts[d] = counts[d - 1] + (ended ? 1 : 0);
      int need = counts[d] + (ended ? 0 : 1);
      for (int k = trie.tokenStart[i]; k < trie.tokenStart[i + 1]; k++) {
        found = grown(found, n);
        needed = grown(needed, n);
        needed[n] = need;
        found[n++] = trie.tokens[k];
      }
      if (ended) {
        exits.add(i, counts[d]);
      }
      i++;
    }
    return sorted(trie, found, needed, n, exits);
  }

  /// Orders tokens by what they need, by counting.
  private static StateMask sorted(TokenTrie trie, int[] found, int[] needed, int n, Exits exits) {
    int[] from = new int[trie.maxDepth + 3];
    for (int i = 0; i < n; i++) {
      from[needed[i] + 1]++;
    }
    for (int i = 1; i < from.length; i++) {
      from[i] += from[i - 1];
    }
    int[] tokens = new int[n];
    int[] needs = new int[n];
    for (int i = 0; i < n; i++) {
      int at = from[needed[i]]++;
      tokens[at] = found[i];
      needs[at] = needed[i];
    }
    return exits.finish(tokens, needs);
  }

  private static int[] grown(int[] list, int n) {
    return n == list.length ? Arrays.copyOf(list, Math.max(4, 2 * n)) : list;
  }

  /// Collects exits, by the byte that follows; only bytes that can follow the machine count.
  private static final class Exits {
    private final TokenTrie trie;
    private final BitSet follow;
    private final int[][] nodes = new int[256][];
    private final int[][] counts = new int[256][];
    private final int[] sizes = new int[256];

    Exits(TokenTrie trie, BitSet follow) {
      this.trie = trie;
      this.follow = follow;
      Arrays.fill(nodes, NONE);
      Arrays.fill(counts, NONE);
    }

    /// Adds the node at which the machine may have ended.
    void add(int node, int count) {
      for (int c = node + 1; c < trie.end[node]; c = trie.end[c]) {
        int b = trie.label[c] & 0xFF;
        if (follow.get(b)) {
          int n = sizes[b]++;
          nodes[b] = grown(nodes[b], n);
          counts[b] = grown(counts[b], n);
          nodes[b][n] = c;
          counts[b][n] = count;
        }
      }
    }

    StateMask finish(int[] tokens, int[] needs) {
      for (int b = 0; b < 256; b++) {
        nodes[b] = Arrays.copyOf(nodes[b], sizes[b]);
        counts[b] = Arrays.copyOf(counts[b], sizes[b]);
      }
      return new StateMask(tokens, needs, trie.size() + 63 >> 6, nodes, counts);
    }
  }
}
