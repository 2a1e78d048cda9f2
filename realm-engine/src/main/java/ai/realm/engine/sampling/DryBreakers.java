package ai.realm.engine.sampling;

import ai.realm.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;

/// Strings that end a repetition for DRY, as the token sequences that can spell them: a token that
/// contains the string, or one that ends with its beginning, followed by the tokens of the rest.
///
/// Takes a bit for each token, and a few bytes for each that ends with a beginning.
public final class DryBreakers {
  /// No breakers.
  public static final DryBreakers NONE =
      new DryBreakers(new BitSet(), new int[0], new int[0], List.of());

  private static final int MAX_CHARACTERS = 40;
  private static final int MAX_TAIL = 20;

  /// Tokens between looks at the interrupt.
  private static final int LOOK_TOKENS = 1024;

  /// Tokens that are breakers all by themselves.
  private final BitSet alone;

  /// Tokens that end with the beginning of a breaker, ascending, one entry for each such beginning.
  private final int[] heads;

  /// For each of `heads` which of `tails` completes the breaker; for the same head in the order of the tails.
  private final int[] tailOf;

  private final List<int[]> tails;

  private DryBreakers(BitSet alone, int[] heads, int[] tailOf, List<int[]> tails) {
    this.alone = alone;
    this.heads = heads;
    this.tailOf = tailOf;
    this.tails = tails;
  }

  /// The token sequences of strings in a vocabulary. Looks at every token: keep it for the model.
  ///
  /// @throws IllegalArgumentException for a string without text
  /// @throws CancellationException when interrupted
  public static DryBreakers of(Tokenizer tokenizer, List<String> strings) {
    List<String> breakers = new ArrayList<>();
    for (String string : strings) {
      if (string.isEmpty()) {
        throw new IllegalArgumentException("sequence breaker: expected text, found none");
      }
      breakers.add(string.substring(0, Math.min(string.length(), MAX_CHARACTERS)));
    }
    if (breakers.isEmpty()) {
      return NONE;
    }
    Reader reader = new Reader(tokenizer);
    for (int token = 0; token < tokenizer.vocabulary().size(); token++) {
      if (token % LOOK_TOKENS == 0 && Thread.currentThread().isInterrupted()) {
        throw new CancellationException("interrupted while sequence breakers were made");
      }
      String word =
          new String(tokenizer.detokenize(new int[] {token}, false, true), StandardCharsets.UTF_8);
      for (String breaker : breakers) {
        reader.read(token, word, breaker);
      }
    }
    return reader.finish();
  }

  /// Collects what the tokens of a vocabulary are for breakers.
  private static final class Reader {
    private final Tokenizer tokenizer;
    private final BitSet alone = new BitSet();
    private final List<int[]> tails = new ArrayList<>();
    private final Map<String, Integer> tailNumbers = new HashMap<>();
    private int[] heads = new int[64];
    private int[] tailOf = new int[64];
    private int size;

    Reader(Tokenizer tokenizer) {
      this.tokenizer = tokenizer;
    }

    void read(int token, String word, String breaker) {
      if (word.contains(breaker)) {
        alone.set(token);
        return;
      }
      int at = word.indexOf(breaker.charAt(0), Math.max(0, word.length() - breaker.length()));
      while (at >= 0) {
        int shared = word.length() - at;
        if (breaker.startsWith(word.substring(at))) {
          int tail = tail(breaker.substring(shared));
          if (tails.get(tail).length == 0) {
            alone.set(token);
          } else {
            add(token, tail);
          }
        }
        at = word.indexOf(breaker.charAt(0), at + 1);
      }
    }

    private int tail(String text) {
      return tailNumbers.computeIfAbsent(
          text,
          rest -> {
            int[] tail = tokenizer.encode(rest, false, false);
            tails.add(tail.length > MAX_TAIL ? Arrays.copyOf(tail, MAX_TAIL) : tail);
            return tails.size() - 1;
          });
    }

    /// Each head's tails in the order of their tokens.
    DryBreakers finish() {
      Integer[] order = new Integer[size];
      Arrays.setAll(order, i -> i);
      Arrays.sort(
          order,
          (a, b) ->
              heads[a] != heads[b]
                  ? Integer.compare(heads[a], heads[b])
                  : Arrays.compare(tails.get(tailOf[a]), tails.get(tailOf[b])));
      int[] sortedHeads = new int[size];
      int[] sortedTails = new int[size];
      for (int i = 0; i < size; i++) {
        sortedHeads[i] = heads[order[i]];
        sortedTails[i] = tailOf[order[i]];
      }
      return new DryBreakers(alone, sortedHeads, sortedTails, List.copyOf(tails));
    }

    private void add(int token, int tail) {
      if (size == heads.length) {
        heads = Arrays.copyOf(heads, 2 * size);
        tailOf = Arrays.copyOf(tailOf, 2 * size);
      }
      heads[size] = token;
      tailOf[size++] = tail;
    }
  }

  /// Memory that they take, about.
  public long bytes() {
    long tailBytes = 0;
    for (int[] tail : tails) {
      tailBytes += 24 + 4L * tail.length;
    }
    return alone.size() / 8 + 8L * heads.length + tailBytes;
  }

  /// Whether a token is a breaker all by itself; such a token is never penalised.
  boolean isBreaker(int token) {
    return alone.get(token);
  }

  /// How many tokens at the end of the history lie behind the last breaker; at most `n`.
  int tokensSinceBreaker(History history, int n) {
    for (int i = 0; i < n; i++) {
      int longest = longest(history, i);
      if (longest >= 0) {
        return i - longest;
      }
    }
    return n;
  }

  /// Tokens behind the one `head` places before the last that complete a breaker with it; −1 where none do. Narrows the
  /// tails of its token down by one token of the history after the other.
  private int longest(History history, int head) {
    int token = history.fromEnd(head);
    int longest = alone.get(token) ? 0 : -1;
    int from = firstHead(token);
    int to = from < heads.length && heads[from] == token ? firstHead(token + 1) : from;
    for (int k = 0; from < to; k++) {
      while (from < to && tails.get(tailOf[from]).length == k) {
        longest = k;
        from++;
      }
      if (k == head) {
        break;
      }
      int next = history.fromEnd(head - 1 - k);
      from = firstTail(from, to, k, next);
      to = firstTail(from, to, k, next + 1);
    }
    return longest;
  }

  /// The first of the heads that is no less than a token.
  private int firstHead(int token) {
    int low = 0;
    int high = heads.length;
    while (low < high) {
      int middle = low + high >>> 1;
      if (heads[middle] < token) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /// The first of a head's tails, which are the same before index `k`, whose token there is no less than one.
  private int firstTail(int from, int to, int k, int token) {
    if (from == to || tails.get(tailOf[to - 1])[k] < token) {
      return to;
    }
    int low = from;
    int high = tails.get(tailOf[from])[k] >= token ? from : to - 1;
    while (low < high) {
      int middle = low + high >>> 1;
      if (tails.get(tailOf[middle])[k] < token) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
