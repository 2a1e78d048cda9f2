package ai.realm.engine.grammar;

import java.util.BitSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;

/// The masks of a grammar's states over one vocabulary, made when first needed. Shared by all matchers
/// of the grammar; thread-safe.
final class StateMasks {
  /// Bytes that are kept; beyond it all are forgotten and made anew.
  private static final long MAX_BYTES = 16L << 20;

  final Automaton automaton;
  final TokenTrie trie;
  private final AtomicReferenceArray<StateMask> masks;
  private final AtomicLong kept = new AtomicLong();

  StateMasks(Automaton automaton, TokenTrie trie) {
    this.automaton = automaton;
    this.trie = trie;
    this.masks = new AtomicReferenceArray<>(automaton.states());
  }

  /// @param work pays for the mask where it is not known yet; a mask that it does not suffice for is not kept
  StateMask plain(int state, Work work) {
    StateMask known = masks.get(state);
    if (known != null) {
      return known;
    }
    StateMask standard = trie.standard().find(automaton, state, work);
    if (standard != null) {
      masks.set(state, standard);
      return standard;
    }
    BitSet follow = automaton.followingBytes(automaton.machine[state]);
    return keep(state, StateMask.of(automaton, trie, state, follow, work));
  }

  /// @param bodyStart start of the counted body that the state belongs to
  /// @param work as of [#plain]
  StateMask body(int state, int bodyStart, Work work) {
    StateMask known = masks.get(state);
    if (known != null) {
      return known;
    }
    StateMask standard = trie.standard().find(automaton, state, work);
    if (standard != null) {
      masks.set(state, standard);
      return standard;
    }
    BitSet follow = automaton.followingBytes(automaton.machine[state]);
    return keep(state, StateMask.ofBody(automaton, trie, state, bodyStart, follow, work));
  }

  /// About how many bytes the masks take.
  long byteSize() {
    return kept.get() + 8L * masks.length();
  }

  private StateMask keep(int state, StateMask mask) {
    if (kept.addAndGet(mask.byteSize()) > MAX_BYTES) {
      forget();
      kept.addAndGet(mask.byteSize());
    }
    masks.set(state, mask);
    return mask;
  }

  /// Forgets all masks.
  void forget() {
    for (int i = 0; i < masks.length(); i++) {
      masks.set(i, null);
    }
    kept.set(0);
  }
}
