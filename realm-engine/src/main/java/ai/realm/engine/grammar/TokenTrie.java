package ai.realm.engine.grammar;

import ai.realm.tokenizer.TokenType;
import ai.realm.tokenizer.Tokenizer;
import ai.realm.tokenizer.Vocabulary;
import java.util.Arrays;
import java.util.function.IntFunction;

/// A vocabulary's texts as a trie of bytes, its nodes in preorder: the children of node i follow it,
/// up to `end[i]`. Node 0 is the root. Tokens without text and control tokens are not in it. Immutable.
public final class TokenTrie {
  final byte[] label;
  final int[] end;
  final short[] depth;

  /// Tokens of node i: `tokens[tokenStart[i]]` up to `tokens[tokenStart[i + 1]]`.
  final int[] tokenStart;

  final int[] tokens;
  final int maxDepth;
  private final byte[][] texts;
  private final int[] endOfGeneration;
  private final StandardMasks standard;

  private TokenTrie(byte[][] texts, int[] endOfGeneration) {
    this.texts = texts;
    this.endOfGeneration = endOfGeneration;
    Integer[] order = new Integer[texts.length];
    int n = 0;
    long letters = 0;
    for (int t = 0; t < texts.length; t++) {
      if (texts[t].length > 0) {
        order[n++] = t;
        letters += texts[t].length;
      }
    }
    Arrays.sort(order, 0, n, (x, y) -> Arrays.compareUnsigned(texts[x], texts[y]));
    int capacity = Math.toIntExact(letters + 1);
    byte[] labels = new byte[capacity];
    int[] ends = new int[capacity];
    short[] depths = new short[capacity];
    int[] starts = new int[capacity + 1];
    tokens = new int[n];
    int longest = 0;
    for (int i = 0; i < n; i++) {
      longest = Math.max(longest, texts[order[i]].length);
    }
    maxDepth = longest;
    int[] path = new int[longest + 1];
    int nodes = 1;
    byte[] before = new byte[0];
    for (int i = 0; i < n; i++) {
      byte[] text = texts[order[i]];
      int common = Arrays.mismatch(before, text);
      int shared = common < 0 ? text.length : common;
      for (int d = before.length; d > shared; d--) {
        ends[path[d]] = nodes;
      }
      for (int d = shared; d < text.length; d++) {
        labels[nodes] = text[d];
        depths[nodes] = (short) (d + 1);
        starts[nodes] = i;
        path[d + 1] = nodes++;
      }
      tokens[i] = order[i];
      before = text;
    }
    for (int d = before.length; d >= 0; d--) {
      ends[path[d]] = nodes;
    }
    starts[nodes] = n;
    label = Arrays.copyOf(labels, nodes);
    end = Arrays.copyOf(ends, nodes);
    depth = Arrays.copyOf(depths, nodes);
    tokenStart = Arrays.copyOf(starts, nodes + 1);
    standard = new StandardMasks(this);
  }

  /// The trie of a model's vocabulary. Costs some tens of milliseconds: keep one per model.
  public static TokenTrie of(Tokenizer tokenizer) {
    Vocabulary v = tokenizer.vocabulary();
    return of(
        v.size(),
        t ->
            v.isControl(t) || v.isEndOfGeneration(t) || v.type(t) == TokenType.UNKNOWN
                ? new byte[0]
                : tokenizer.tokenBytes(t),
        v.endOfGeneration());
  }

  /// The trie of any vocabulary.
  ///
  /// @param text the bytes of a token, at most 32,767; none for a token that is never to be chosen
  /// @param endOfGeneration tokens that end the output
  public static TokenTrie of(int size, IntFunction<byte[]> text, int... endOfGeneration) {
    byte[][] texts = new byte[size][];
    for (int t = 0; t < size; t++) {
      byte[] bytes = text.apply(t);
      texts[t] = bytes.length > Short.MAX_VALUE ? new byte[0] : bytes;
    }
    for (int t : endOfGeneration) {
      texts[t] = new byte[0];
    }
    return new TokenTrie(texts, endOfGeneration.clone());
  }

  /// Number of tokens of the vocabulary.
  public int size() {
    return texts.length;
  }

  /// Masks that many grammars share.
  StandardMasks standard() {
    return standard;
  }

  byte[] text(int token) {
    return texts[token];
  }

  boolean isEndOfGeneration(int token) {
    for (int t : endOfGeneration) {
      if (t == token) {
        return true;
      }
    }
    return false;
  }

  void allowEnd(long[] allowed) {
    for (int t : endOfGeneration) {
      allowed[t >> 6] |= 1L << t;
    }
  }

  /// Sets the tokens of one node.
  void allow(int node, long[] allowed) {
    for (int i = tokenStart[node]; i < tokenStart[node + 1]; i++) {
      allowed[tokens[i] >> 6] |= 1L << tokens[i];
    }
  }

  boolean hasChildren(int node) {
    return end[node] > node + 1;
  }
}
