package ai.realm.engine.sampling;

import ai.realm.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Strings that end a repetition for DRY, as the token sequences that can spell them: a token that
/// contains the string, or one that ends with its beginning, followed by the tokens of the rest.
public final class DryBreakers {
  /// No breakers.
  public static final DryBreakers NONE = new DryBreakers(Map.of());

  private static final int MAX_CHARACTERS = 40;
  private static final int MAX_TAIL = 20;

  private final Map<Integer, List<int[]>> tails;

  private DryBreakers(Map<Integer, List<int[]>> tails) {
    this.tails = tails;
  }

  /// The token sequences of strings in a vocabulary. Looks at every token once per string: make it once
  /// per model.
  public static DryBreakers of(Tokenizer tokenizer, List<String> strings) {
    Map<Integer, List<int[]>> tails = new HashMap<>();
    for (String string : strings) {
      if (string.isEmpty()) {
        throw new IllegalArgumentException("sequence breaker: expected text, found none");
      }
      String breaker = string.substring(0, Math.min(string.length(), MAX_CHARACTERS));
      for (int token = 0; token < tokenizer.vocabulary().size(); token++) {
        String word =
            new String(
                tokenizer.detokenize(new int[] {token}, false, true), StandardCharsets.UTF_8);
        if (word.contains(breaker)) {
          tails.computeIfAbsent(token, t -> new ArrayList<>()).add(new int[0]);
        } else {
          overlaps(tokenizer, token, word, breaker, tails);
        }
      }
    }
    return new DryBreakers(tails);
  }

  private static void overlaps(
      Tokenizer tokenizer,
      int token,
      String word,
      String breaker,
      Map<Integer, List<int[]>> tails) {
    for (int at = word.indexOf(breaker.charAt(0)); at >= 0; ) {
      int shared = Math.min(breaker.length(), word.length() - at);
      if (word.startsWith(breaker.substring(0, shared), at)) {
        int[] tail = tokenizer.encode(breaker.substring(shared), false, false);
        int[] kept = tail.length > MAX_TAIL ? Arrays.copyOf(tail, MAX_TAIL) : tail;
        tails.computeIfAbsent(token, t -> new ArrayList<>()).add(kept);
      }
      at = word.indexOf(breaker.charAt(0), at + 1);
    }
  }

  /// Whether a token is a breaker all by itself; such a token is never penalised.
  boolean isBreaker(int token) {
    List<int[]> found = tails.get(token);
    return found != null && found.stream().anyMatch(tail -> tail.length == 0);
  }

  /// How many tokens at the end of the history lie behind the last breaker; at most `n`.
  int tokensSinceBreaker(History history, int n) {
    for (int i = 0; i < n; i++) {
      List<int[]> found = tails.get(history.fromEnd(i));
      if (found == null) {
        continue;
      }
      int longest = -1;
      for (int[] tail : found) {
        if (tail.length <= i && tail.length > longest && follows(history, i, tail)) {
          longest = tail.length;
        }
      }
      if (longest >= 0) {
        return i - longest;
      }
    }
    return n;
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
