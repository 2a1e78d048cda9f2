package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The automaton made deterministic as far as outputs lead: a state is the set of places where the
/// grammar can stand, each with the rules to return to. States, their transitions and their token
/// masks are kept while there is room. Shared by a matcher and its forks; one thread at a time.
final class StateTable {
  private static final int MAX_STATES = 4096;
  private static final int MAX_MASKS = 512;
  private static final int MAX_PLACES = 4096;
  private static final int MAX_STACK = 256;

  /// Rules to return to: nodes, innermost first. Equal stacks are the same object.
  private record Stack(@Nullable Stack below, int node, int depth, int number) {}

  private record StackKey(int below, int node) {}

  /// A set of places. `places` holds (node << 32 | stack number), sorted.
  static final class State {
    final long[] places;
    final Stack[] stacks;
    final boolean accepting;
    private State @Nullable [] next;
    private long @Nullable [] mask;

    private State(long[] places, Stack[] stacks, boolean accepting) {
      this.places = places;
      this.stacks = stacks;
      this.accepting = accepting;
    }

    /// Whether nothing can follow.
    boolean isFinal() {
      return places.length == 0;
    }
  }

  private record StateKey(long[] places, boolean accepting) {
    @Override
    public boolean equals(@Nullable Object o) {
      return o instanceof StateKey k && accepting == k.accepting && Arrays.equals(places, k.places);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(places) * 2 + (accepting ? 1 : 0);
    }
  }

  private final Automaton automaton;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<StackKey, Stack> stacks = new HashMap<>();
  private final Map<StateKey, State> states = new HashMap<>();
  private int masks;
  private int stackNumbers;
  private final State dead = new State(new long[0], new Stack[0], false);

  StateTable(Automaton automaton) {
    this.automaton = automaton;
  }

  /// Where every output begins.
  State initial() {
    lock.lock();
    try {
      Closure closure = new Closure();
      closure.add(automaton.start(automaton.root()), null);
      return closure.state();
    } finally {
      lock.unlock();
    }
  }

  /// The state after a byte, or null when the grammar does not allow it.
  @Nullable State step(State state, int value) {
    lock.lock();
    try {
      State next = advance(state, value);
      return next == dead ? null : next;
    } finally {
      lock.unlock();
    }
  }

  private State advance(State state, int value) {
    State[] row = state.next;
    if (row == null) {
      row = new State[256];
      state.next = row;
    }
    State known = row[value];
    if (known != null) {
      return known;
    }
    Closure closure = new Closure();
    for (int i = 0; i < state.places.length; i++) {
      int node = (int) (state.places[i] >>> 32);
      for (int e = automaton.firstEdge(node); e >= 0; e = automaton.nextEdge(e)) {
        int range = automaton.label(e);
        if (automaton.kind(e) == Automaton.BYTES
            && value >= range >> 8
            && value <= (range & 0xff)) {
          closure.add(automaton.target(e), state.stacks[i]);
        }
      }
    }
    State next = closure.isEmpty() ? dead : closure.state();
    row[value] = next;
    return next;
  }

  /// Sets the bits of the tokens that may come next.
  void mask(State state, TokenTrie trie, long[] allowed) {
    lock.lock();
    try {
      long[] mask = state.mask;
      if (mask == null) {
        mask = new long[allowed.length];
        walk(state, trie, mask);
        if (++masks > MAX_MASKS) {
          states.values().forEach(s -> s.mask = null);
          masks = 1;
        }
        state.mask = mask;
      }
      for (int i = 0; i < mask.length; i++) {
        allowed[i] |= mask[i];
      }
    } finally {
      lock.unlock();
    }
  }

  /// One pass over the vocabulary's trie; a byte that the grammar refuses skips its whole subtree.
  private void walk(State state, TokenTrie trie, long[] mask) {
    State[] path = new State[trie.maxDepth() + 1];
    path[0] = state;
    int i = 0;
    while (i < trie.size()) {
      int depth = trie.depth(i);
      State next = advance(path[depth - 1], trie.value(i));
      if (next == dead) {
        i = trie.subtreeEnd(i);
        continue;
      }
      path[depth] = next;
      trie.setTokens(i, mask);
      i++;
    }
  }

  /// The bytes that must follow, up to the first choice or the end.
  byte[] forced(State from) {
    lock.lock();
    try {
      byte[] bytes = new byte[64];
      int n = 0;
      State state = from;
      while (n < 1024 && !state.accepting) {
        int only = onlyByte(state);
        if (only < 0) {
          break;
        }
        if (n == bytes.length) {
          bytes = Arrays.copyOf(bytes, n * 2);
        }
        bytes[n++] = (byte) only;
        state = advance(state, only);
      }
      return Arrays.copyOf(bytes, n);
    } finally {
      lock.unlock();
    }
  }

  private int onlyByte(State state) {
    int only = -1;
    for (long place : state.places) {
      int node = (int) (place >>> 32);
      for (int e = automaton.firstEdge(node); e >= 0; e = automaton.nextEdge(e)) {
        if (automaton.kind(e) == Automaton.BYTES) {
          int low = automaton.label(e) >> 8;
          if (low != (automaton.label(e) & 0xff) || (only >= 0 && only != low)) {
            return -1;
          }
          only = low;
        }
      }
    }
    return only;
  }

  private Stack push(@Nullable Stack below, int node) {
    StackKey key = new StackKey(below == null ? -1 : below.number(), node);
    Stack known = stacks.get(key);
    if (known == null) {
      known = new Stack(below, node, below == null ? 1 : below.depth() + 1, stackNumbers++);
      stacks.put(key, known);
    }
    return known;
  }

  /// Collects places and what is reached from them without a byte.
  private final class Closure {
    private final Map<Long, @Nullable Stack> seen = new HashMap<>();
    private final List<Long> places = new ArrayList<>();
    private boolean accepting;

    boolean isEmpty() {
      return places.isEmpty() && !accepting;
    }

    private static long key(int node, @Nullable Stack stack) {
      return (long) node << 32 | (stack == null ? 0xffffffffL : stack.number());
    }

    void add(int firstNode, @Nullable Stack firstStack) {
      List<Integer> nodes = new ArrayList<>();
      List<@Nullable Stack> under = new ArrayList<>();
      nodes.add(firstNode);
      under.add(firstStack);
      while (!nodes.isEmpty()) {
        int node = nodes.removeLast();
        Stack stack = under.removeLast();
        long key = key(node, stack);
        if (seen.containsKey(key)) {
          continue;
        }
        if (seen.size() >= MAX_PLACES) {
          throw GrammarException.limit(
              "grammar: expected at most " + MAX_PLACES + " readings of an output at once");
        }
        seen.put(key, stack);
        if (automaton.isEnd(node)) {
          if (stack == null) {
            accepting = true;
          } else {
            nodes.add(stack.node());
            under.add(stack.below());
          }
          continue;
        }
        boolean consumes = false;
        for (int e = automaton.firstEdge(node); e >= 0; e = automaton.nextEdge(e)) {
          int target = automaton.target(e);
          switch (automaton.kind(e)) {
            case Automaton.BYTES -> consumes = true;
            case Automaton.EMPTY -> {
              nodes.add(target);
              under.add(stack);
            }
            default -> {
              // A call at the end of a rule returns to where the rule itself returns.
              boolean tail = automaton.isEnd(target);
              if (tail || stack == null || stack.depth() < MAX_STACK) {
                nodes.add(automaton.start(automaton.label(e)));
                under.add(tail ? stack : push(stack, target));
              }
            }
          }
        }
        if (consumes) {
          places.add(key);
        }
      }
    }

    State state() {
      long[] sorted = places.stream().mapToLong(Long::longValue).sorted().toArray();
      StateKey key = new StateKey(sorted, accepting);
      State known = states.get(key);
      if (known != null) {
        return known;
      }
      if (states.size() >= MAX_STATES) {
        forget();
      }
      Stack[] kept = new Stack[sorted.length];
      for (int i = 0; i < sorted.length; i++) {
        kept[i] = seen.get(sorted[i]);
      }
      State state = new State(sorted, kept, accepting);
      states.put(key, state);
      return state;
    }
  }

  /// Makes room: states still in use live on in their matchers.
  private void forget() {
    for (State s : states.values()) {
      s.next = null;
      s.mask = null;
    }
    states.clear();
    stacks.clear();
    masks = 0;
  }
}
