package ai.realm.engine.grammar;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The masks that nearly every grammar over JSON needs and that cost most: inside a string. Made with the
/// vocabulary's trie, so that the first request with a new schema finds them. What is here does not
/// depend on what tenants send, so no tenant learns from times what others sent. Immutable.
final class StandardMasks {
  /// Masks of fewer tokens, as a part of the vocabulary, are made soon enough.
  private static final int MIN_PART = 32;

  /// Larger machines are not compared.
  private static final int MAX_COMPARED = 64;

  private static final GrammarLimits LIMITS =
      new GrammarLimits(1024, 64, 1000, 10_000, 8 << 20, 600_000);

  /// A mask with the state that it is of.
  ///
  /// @param follow bytes behind the machine's end that its exits take in
  private record Known(Automaton automaton, int state, BitSet follow, StateMask mask) {}

  private final List<Known> known = new ArrayList<>();

  StandardMasks(TokenTrie trie) {
    add(Grammar.compile(Grammar.Kind.JSON_SCHEMA, "{\"type\":\"string\"}", LIMITS), trie);
    add(
        Grammar.compile(
            Grammar.Kind.JSON_SCHEMA, "{\"type\":\"string\",\"maxLength\":100000}", LIMITS),
        trie);
  }

  private void add(Grammar grammar, TokenTrie trie) {
    Automaton automaton = grammar.automaton();
    for (int s = 0; s < automaton.states(); s++) {
      if (!automaton.readsBytes[s] || automaton.calls[s].length > 0) {
        continue;
      }
      int machine = automaton.machine[s];
      boolean counted = automaton.isCounted(machine);
      BitSet follow = new BitSet();
      if (counted) {
        follow = automaton.followingBytes(machine);
      } else {
        follow.set(0, 256);
      }
      StateMask mask =
          counted
              ? StateMask.ofBody(automaton, trie, s, automaton.start[machine], follow, new Work())
              : StateMask.of(automaton, trie, s, follow, new Work());
      if (mask.tokens() * MIN_PART >= trie.size()) {
        known.add(new Known(automaton, s, follow, mask));
      }
    }
  }

  /// The mask of a state that reads the same words as a known one, or null.
  ///
  /// @param work pays for the comparison
  @Nullable StateMask find(Automaton automaton, int state, Work work) {
    int machine = automaton.machine[state];
    for (Known k : known) {
      int other = k.automaton.machine[k.state];
      if (automaton.isCounted(machine) == k.automaton.isCounted(other)
          && isSame(automaton, state, k, work)) {
        BitSet follow = automaton.followingBytes(machine);
        follow.andNot(k.follow);
        if (follow.isEmpty()) {
          return k.mask;
        }
      }
    }
    return null;
  }

  /// Walks both machines side by side; of counted ones also from the start of the next repetition.
  private static boolean isSame(Automaton automaton, int state, Known k, Work work) {
    Set<Long> seen = new HashSet<>();
    Deque<Long> todo = new ArrayDeque<>();
    long first = pair(state, k.state);
    seen.add(first);
    todo.add(first);
    int machine = automaton.machine[state];
    if (automaton.isCounted(machine)) {
      long next = pair(automaton.start[machine], k.automaton.start[k.automaton.machine[k.state]]);
      if (seen.add(next)) {
        todo.add(next);
      }
    }
    while (!todo.isEmpty()) {
      long both = todo.removeFirst();
      int a = (int) (both >> 32);
      int b = (int) both;
      if (seen.size() > MAX_COMPARED
          || automaton.calls[a].length > 0
          || k.automaton.calls[b].length > 0
          || automaton.accepting[a] != k.automaton.accepting[b]) {
        return false;
      }
      for (int value = 0; value < 256; value++) {
        work.spend(1);
        int nextA = automaton.next(a, value);
        int nextB = k.automaton.next(b, value);
        if (nextA < 0 != nextB < 0) {
          return false;
        }
        if (nextA >= 0 && seen.add(pair(nextA, nextB))) {
          todo.add(pair(nextA, nextB));
        }
      }
    }
    return true;
  }

  private static long pair(int a, int b) {
    return (long) a << 32 | b;
  }
}
