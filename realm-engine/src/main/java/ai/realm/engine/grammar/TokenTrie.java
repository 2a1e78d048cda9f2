package ai.realm.engine.grammar;

import ai.realm.tokenizer.Tokenizer;
import ai.realm.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The byte sequences of a vocabulary as a trie in preorder: a node's subtree follows it, so that a
/// walk that meets a refused byte jumps over all tokens that begin so. Made once per model.
public final class TokenTrie {
  private final int words;
  private final byte[] values;
  private final short[] depths;
  private final int[] ends;

  /// Tokens that end at node i: `tokens[firstToken[i] .. firstToken[i + 1])`.
  private final int[] firstToken;

  private final int[] tokens;
  private final int maxDepth;
  private final long[] endOfGeneration;

  private TokenTrie(Tokenizer tokenizer) {
    Vocabulary v = tokenizer.vocabulary();
    words = (v.size() + 63) / 64;
    endOfGeneration = new long[words];
    byte[][] texts = new byte[v.size()][];
    List<Integer> order = new ArrayList<>();
    for (int id = 0; id < v.size(); id++) {
      texts[id] = tokenizer.tokenBytes(id);
      if (v.isEndOfGeneration(id)) {
        endOfGeneration[id >> 6] |= 1L << id;
      } else if (texts[id].length > 0 && texts[id].length < Short.MAX_VALUE) {
        order.add(id);
      }
    }
    order.sort((a, b) -> Arrays.compareUnsigned(texts[a], texts[b]));
    Builder builder = new Builder();
    byte[] previous = new byte[0];
    for (int id : order) {
      builder.add(previous, texts[id], id);
      previous = texts[id];
    }
    builder.close(0);
    values = Arrays.copyOf(builder.values, builder.size);
    depths = Arrays.copyOf(builder.depths, builder.size);
    ends = Arrays.copyOf(builder.ends, builder.size);
    firstToken = Arrays.copyOf(builder.firstToken, builder.size + 1);
    firstToken[builder.size] = order.size();
    tokens = order.stream().mapToInt(Integer::intValue).toArray();
    maxDepth = builder.maxDepth;
  }

  /// The trie of a tokenizer's vocabulary.
  public static TokenTrie of(Tokenizer tokenizer) {
    return new TokenTrie(tokenizer);
  }

  private static final class Builder {
    byte[] values = new byte[1024];
    short[] depths = new short[1024];
    int[] ends = new int[1024];
    int[] firstToken = new int[1024];
    int size;
    int maxDepth;
    private int[] open = new int[64];
    private int depth;
    private int added;

    void add(byte[] previous, byte[] text, int id) {
      int shared = Arrays.mismatch(previous, text);
      close(shared < 0 ? text.length : shared);
      for (int i = depth; i < text.length; i++) {
        if (size + 1 >= values.length) {
          values = Arrays.copyOf(values, size * 2);
          depths = Arrays.copyOf(depths, size * 2);
          ends = Arrays.copyOf(ends, size * 2);
          firstToken = Arrays.copyOf(firstToken, size * 2);
        }
        if (depth == open.length) {
          open = Arrays.copyOf(open, depth * 2);
        }
        values[size] = text[i];
        depths[size] = (short) (i + 1);
        firstToken[size] = added;
        open[depth++] = size++;
      }
      maxDepth = Math.max(maxDepth, text.length);
      added++;
    }

    /// Ends the subtrees of all open nodes below a depth.
    void close(int to) {
      while (depth > to) {
        ends[open[--depth]] = size;
      }
    }
  }

  int size() {
    return values.length;
  }

  int maxDepth() {
    return maxDepth;
  }

  int depth(int node) {
    return depths[node];
  }

  int value(int node) {
    return values[node] & 0xff;
  }

  int subtreeEnd(int node) {
    return ends[node];
  }

  void setTokens(int node, long[] mask) {
    for (int i = firstToken[node]; i < firstToken[node + 1]; i++) {
      mask[tokens[i] >> 6] |= 1L << tokens[i];
    }
  }

  void setEndOfGeneration(long[] mask) {
    for (int i = 0; i < words; i++) {
      mask[i] |= endOfGeneration[i];
    }
  }
}
