package ai.realm.engine.sampling;

import ai.realm.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

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

  /// Tokens that are breakers all by themselves.
  private final BitSet alone;

  /// Tokens that end with the beginning of a breaker, ascending, one entry for each such beginning.
  private final int[] heads;

  /// For each of `heads` which of `tails` completes the breaker.
  private final int[] tailOf;

  private final List<int[]> tails;

  private DryBreakers(BitSet alone, int[] heads, int[] tailOf, List<int[]> tails) {
    this.alone = alone;
    this.heads = heads;
    this.tailOf = tailOf;
    this.tails = tails;
  }

  /// The token sequences of strings in a vocabulary. Looks at every token: keep it for the model.
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
      String word =
          new String(tokenizer.detokenize(new int[] {token}, false, true), StandardCharsets.UTF_8);
      for (String breaker : breakers) {
        reader.read(token, word, breaker);
      }
    }
    return new DryBreakers(
        reader.alone,
        Arrays.copyOf(reader.heads, reader.size),
        Arrays.copyOf(reader.tailOf, reader.size),
        List.copyOf(reader.tails));
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

  /// Tokens behind the one `head` places before the last that complete a breaker with it; −1 where none do.
  private int longest(History history, int head) {
    int token = history.fromEnd(head);
    int longest = alone.get(token) ? 0 : -1;
    int at = Arrays.binarySearch(heads, token);
    while (at > 0 && heads[at - 1] == token) {
      at--;
    }
    for (; at >= 0 && at < heads.length && heads[at] == token; at++) {
      int[] tail = tails.get(tailOf[at]);
      if (tail.length <= head && tail.length > longest && follows(history, head, tail)) {
        longest = tail.length;
      }
    }
    return longest;
  }

  private static boolean follows(History history, int head, int[] tail) {
    for (int k = 0; k < tail.length; k++) {
      if (history.fromEnd(head - 1 - k) != tail[k]) {
        return false;
      }
    }
    return true;
  }
}
