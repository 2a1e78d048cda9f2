package ai.realm.engine.sampling;

import java.util.Arrays;

/// A number for each of a few tokens, 0 for the others; cleared in the time of the few.
final class TokenCounts {
  private int[] values = new int[0];
  private int[] tokens = new int[64];
  private int distinct;

  /// Forgets what was put, and has room for ids below `vocabulary`.
  void clear(int vocabulary) {
    for (int i = 0; i < distinct; i++) {
      values[tokens[i]] = 0;
    }
    distinct = 0;
    if (values.length < vocabulary) {
      values = new int[vocabulary];
    }
  }

  /// @param value positive; for a token that is no candidate in this vocabulary nothing is kept
  void put(int token, int value) {
    if (token >= values.length) {
      return;
    }
    if (values[token] == 0) {
      if (distinct == tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * distinct);
      }
      tokens[distinct++] = token;
    }
    values[token] = value;
  }

  int of(int token) {
    return token < values.length ? values[token] : 0;
  }

  /// How many tokens have a number.
  int distinct() {
    return distinct;
  }

  /// One of these tokens.
  int token(int i) {
    return tokens[i];
  }
}
