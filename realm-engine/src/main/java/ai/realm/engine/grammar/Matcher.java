package ai.realm.engine.grammar;

import ai.realm.engine.TokenConstraint;
import ai.realm.tokenizer.Tokenizer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// Where one output stands in its grammar. Belongs to one sequence; used by one thread at a time, forks
/// of it by others.
public final class Matcher implements TokenConstraint {
  private final StateTable table;
  private final TokenTrie trie;
  private final Tokenizer tokenizer;
  private StateTable.State state;
  private boolean ended;

  private Matcher(
      StateTable table,
      TokenTrie trie,
      Tokenizer tokenizer,
      StateTable.State state,
      boolean ended) {
    this.table = table;
    this.trie = trie;
    this.tokenizer = tokenizer;
    this.state = state;
    this.ended = ended;
  }

  /// A matcher at the begin of an output.
  ///
  /// @param trie the trie of the tokenizer's vocabulary
  public static Matcher of(Grammar grammar, TokenTrie trie, Tokenizer tokenizer) {
    StateTable table = new StateTable(grammar.automaton());
    return new Matcher(table, trie, tokenizer, table.initial(), false);
  }

  /// Allows the tokens after which the output can still become complete, and those that end generation
  /// where it is complete.
  @Override
  public void mask(long[] allowed) {
    if (!ended) {
      table.mask(state, trie, allowed);
    }
    if (state.accepting) {
      trie.setEndOfGeneration(allowed);
    }
  }

  /// Advances over a token.
  ///
  /// @throws IllegalArgumentException when the grammar does not allow it here
  @Override
  public void accept(int token) {
    if (tokenizer.vocabulary().isEndOfGeneration(token)) {
      if (!state.accepting) {
        throw new IllegalArgumentException(
            "token " + token + " ends generation, the output is not complete");
      }
      ended = true;
      return;
    }
    StateTable.State next = ended ? null : state;
    for (byte b : tokenizer.tokenBytes(token)) {
      next = next == null ? null : table.step(next, b & 0xff);
    }
    if (next == null) {
      throw new IllegalArgumentException("token " + token + " is not allowed by the grammar here");
    }
    state = next;
  }

  /// A matcher at the same place.
  public Matcher fork() {
    return new Matcher(table, trie, tokenizer, state, ended);
  }

  /// Whether the output so far is complete.
  public boolean isComplete() {
    return state.accepting;
  }

  /// Whether nothing but the end can follow.
  public boolean isFinished() {
    return ended || state.isFinal();
  }

  /// The text that must follow, whatever the model says: it can be appended without sampling. Empty where
  /// there is a choice; never half a character.
  public String forced() {
    byte[] bytes = ended ? new byte[0] : table.forced(state);
    for (int n = bytes.length; n > 0; n--) {
      try {
        return StandardCharsets.UTF_8
            .newDecoder()
            .decode(java.nio.ByteBuffer.wrap(bytes, 0, n))
            .toString();
      } catch (CharacterCodingException e) {
        // The last character is cut: take one byte less.
      }
    }
    return "";
  }
}
