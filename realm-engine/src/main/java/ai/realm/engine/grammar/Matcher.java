package ai.realm.engine.grammar;

import ai.realm.engine.TokenConstraint;
import ai.realm.tokenizer.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Follows one output through a [Grammar] and says which tokens may come next. Used by one thread at a
/// time.
///
/// A mask is the union over the states in which the output may stand: each state's own tokens, settled
/// once per vocabulary, and those that leave the state's machine on the way, for which the part of the
/// trie behind the exit is walked with the stack at hand.
public final class Matcher implements TokenConstraint {
  private static final int MAX_FORCED_BYTES = 4096;
  private static final int NONE = -1;

  /// Itself and empty maps and lists, about.
  private static final long OWN_BYTES = 1024;

  private final StateMasks masks;
  private final Automaton automaton;
  private final TokenTrie trie;
  private final Work work = new Work();
  private final Positions positions;
  private final Position[] path;
  private final long[] scratch;
  private Position position;
  private boolean ended;
  private long[] prepared = {};
  private boolean isPrepared;

  /// A token of a prepared mask that was accepted and is not moved over yet, or −1.
  private int pending = NONE;

  /// A matcher at the begin of an output.
  ///
  /// @param trie the trie of the tokenizer's vocabulary
  public static Matcher of(Grammar grammar, TokenTrie trie) {
    return new Matcher(grammar.masks(trie), null, false);
  }

  /// A matcher at the begin of an output.
  ///
  /// @param trie the trie of the tokenizer's vocabulary
  public static Matcher of(Grammar grammar, TokenTrie trie, Tokenizer tokenizer) {
    if (trie.size() != tokenizer.vocabulary().size()) {
      throw new IllegalArgumentException(
          "trie: expected %d tokens, found %d"
              .formatted(tokenizer.vocabulary().size(), trie.size()));
    }
    return of(grammar, trie);
  }

  private Matcher(StateMasks masks, @Nullable Position position, boolean ended) {
    this.masks = masks;
    this.automaton = masks.automaton;
    this.trie = masks.trie;
    this.positions = new Positions(automaton, work);
    this.path = new Position[trie.maxDepth + 1];
    this.scratch = new long[trie.size() + 63 >> 6];
    this.position = position == null ? positions.start() : positions.adopt(position);
    this.ended = ended;
  }

  /// A second matcher at the same place, independent of this one.
  public Matcher fork() {
    settle();
    return new Matcher(masks, position, ended);
  }

  /// Whether the output so far is a whole text of the grammar.
  public boolean isComplete() {
    settle();
    return position.complete;
  }

  /// Whether nothing but an end-of-generation token can follow.
  public boolean isFinished() {
    settle();
    return ended || position.size() == 0;
  }

  /// Whether an end-of-generation token was accepted.
  public boolean isEnded() {
    settle();
    return ended;
  }

  /// Sets the bits of the tokens that may come next; end-of-generation tokens may where the output is
  /// complete.
  @Override
  public void mask(long[] allowed) {
    if (isPrepared) {
      System.arraycopy(prepared, 0, allowed, 0, prepared.length);
    } else {
      compute(allowed);
    }
  }

  /// Computes the mask of the next step now, on this thread, so that the engine's thread only copies it;
  /// the token that it then accepts is moved over when the owner asks for more.
  ///
  /// @throws GrammarException when the grammar reads the output in so many ways that it costs too much
  public void prepare() {
    if (!isPrepared) {
      if (prepared.length == 0) {
        prepared = new long[trie.size() + 63 >> 6];
      }
      compute(prepared);
      isPrepared = true;
    }
  }

  /// About how many bytes it takes besides its grammar. Grows as the output goes on, within bounds.
  public long byteSize() {
    return OWN_BYTES + 8L * (path.length + scratch.length + prepared.length) + positions.byteSize();
  }

  /// Forgets what it knows of other places than the present one: it is found anew when it is needed.
  public void forget() {
    if (position != Position.DEAD) {
      move(positions.adopt(position));
    }
  }

  private void tidy() {
    move(positions.tidy(position));
  }

  private void move(Position to) {
    if (to != position) {
      // What was walked before would keep all that can be reached from there.
      Arrays.fill(path, Position.DEAD);
    }
    position = to;
  }

  private void compute(long[] allowed) {
    settle();
    Arrays.fill(allowed, 0);
    work.allot(Work.MASK);
    if (position.complete) {
      trie.allowEnd(allowed);
    }
    if (ended) {
      return;
    }
    tidy();
    for (int i = 0; i < position.size(); i++) {
      int state = position.states[i];
      Frame frame = position.frames[i];
      if (frame != null && frame.isCounted()) {
        addCounted(state, frame, allowed);
      } else {
        StateMask mask = masks.plain(state, work);
        work.spend(1 + mask.tokens() / Long.SIZE);
        mask.addTo(allowed);
        if (frame != null) {
          addExits(mask, positions.after(frame), null, allowed);
        }
      }
    }
  }

  private void addCounted(int state, Frame frame, long[] allowed) {
    StateMask mask = masks.body(state, frame.state, work);
    work.spend(1 + mask.tokens() / Long.SIZE);
    int max = automaton.countMax[frame.machine];
    if (max == Expr.Repeat.UNBOUNDED) {
      mask.addTo(allowed);
    } else {
      mask.addTo(allowed, max - frame.count, scratch);
    }
    Frame parent = frame.parent;
    if (parent != null) {
      addExits(mask, positions.after(parent), frame, allowed);
    }
  }

  private void addExits(StateMask mask, Position after, @Nullable Frame counted, long[] allowed) {
    if (after == Position.DEAD || after.size() == 0) {
      return;
    }
    for (int b = 0; b < 256; b++) {
      int[] nodes = mask.exits(b);
      if (nodes.length == 0) {
        continue;
      }
      Position to = positions.step(after, automaton.classes.of(b));
      if (to == Position.DEAD) {
        continue;
      }
      for (int i = 0; i < nodes.length; i++) {
        if (counted == null
            || mask.isOpen(
                b,
                i,
                counted.count,
                automaton.countMin[counted.machine],
                automaton.countMax[counted.machine])) {
          walk(nodes[i], to, allowed);
        }
      }
    }
  }

  /// Allows the tokens at and below a trie node that a position allows.
  private void walk(int node, Position at, long[] allowed) {
    work.spend(1);
    trie.allow(node, allowed);
    int base = trie.depth[node];
    int end = trie.end[node];
    path[0] = at;
    for (int i = node + 1; i < end; ) {
      int d = trie.depth[i] - base;
      work.spend(1);
      Position to = positions.step(path[d - 1], automaton.classes.of(trie.label[i] & 0xFF));
      if (to == Position.DEAD) {
        i = trie.end[i];
      } else {
        path[d] = to;
        trie.allow(i, allowed);
        i++;
      }
    }
  }

  /// Whether a token may come next.
  public boolean allows(int token) {
    settle();
    if (token < 0 || token >= trie.size()) {
      return false;
    }
    if (trie.isEndOfGeneration(token)) {
      return position.complete;
    }
    return !ended && trie.text(token).length > 0 && after(trie.text(token)) != Position.DEAD;
  }

  private Position after(byte[] text) {
    work.allot(Work.ACCEPT);
    tidy();
    Position p = position;
    for (int i = 0; i < text.length && p != Position.DEAD; i++) {
      p = positions.step(p, automaton.classes.of(text[i] & 0xFF));
    }
    return p;
  }

  /// Moves over a token.
  ///
  /// @throws IllegalArgumentException when the grammar does not allow it here; nothing has moved then
  @Override
  public void accept(int token) {
    if (isPrepared && token >= 0 && token < trie.size() && isSet(prepared, token)) {
      isPrepared = false;
      pending = token;
      return;
    }
    if (!allows(token)) {
      throw new IllegalArgumentException("token " + token + " is not allowed by the grammar here");
    }
    isPrepared = false;
    move(token);
  }

  private static boolean isSet(long[] mask, int token) {
    return (mask[token >> 6] >>> token & 1) != 0;
  }

  private void settle() {
    if (pending != NONE) {
      move(pending);
      pending = NONE;
    }
  }

  private void move(int token) {
    if (trie.isEndOfGeneration(token)) {
      ended = true;
    } else {
      position = after(trie.text(token));
      tidy();
    }
  }

  /// Moves over text that did not come from a token.
  ///
  /// @throws IllegalArgumentException when the grammar does not allow it here; nothing has moved then
  public void accept(byte[] text) {
    settle();
    Position to = ended && text.length > 0 ? Position.DEAD : after(text);
    if (to == Position.DEAD) {
      throw new IllegalArgumentException("this text is not allowed by the grammar here");
    }
    isPrepared = false;
    position = to;
    tidy();
  }

  /// The bytes that must come next, whatever is sampled: to be appended without a step for each token.
  /// Empty where there is a choice, or the output may end.
  public byte[] forcedBytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    settle();
    work.allot(Work.MASK);
    Position p = ended ? Position.DEAD : position;
    while (p != Position.DEAD && !p.complete && out.size() < MAX_FORCED_BYTES) {
      int only = -1;
      Position to = Position.DEAD;
      for (int c = 0; c < automaton.classes.count() && only >= -1; c++) {
        Position next = positions.step(p, c);
        if (next != Position.DEAD) {
          only = only == -1 && automaton.classes.single(c) ? c : -2;
          to = next;
        }
      }
      if (only < 0) {
        break;
      }
      out.write(automaton.classes.example(only));
      p = to;
    }
    return out.toByteArray();
  }

  /// The text that must follow, whatever the model says: it can be appended without sampling. Empty where
  /// there is a choice; never half a character.
  public String forced() {
    byte[] bytes = forcedBytes();
    for (int n = bytes.length; n > Math.max(0, bytes.length - 4); n--) {
      try {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, 0, n)).toString();
      } catch (CharacterCodingException e) {
        // The last character is cut: take one byte less.
        continue;
      }
    }
    return "";
  }

  /// The forced bytes as tokens, longest first from the left. The last token is left out where a longer
  /// one might follow in its place, so that the model keeps its choice of where tokens end.
  public int[] forcedTokens() {
    byte[] bytes = forcedBytes();
    int[] out = new int[bytes.length];
    int n = 0;
    int at = 0;
    while (at < bytes.length) {
      int node = 0;
      int token = -1;
      int tokenEnd = at;
      int i = at;
      while (i < bytes.length && (node = child(node, bytes[i])) > 0) {
        i++;
        if (trie.tokenStart[node] < trie.tokenStart[node + 1]) {
          token = trie.tokens[trie.tokenStart[node]];
          tokenEnd = i;
        }
      }
      if (token < 0 || i == bytes.length && node > 0 && trie.hasChildren(node)) {
        break;
      }
      out[n++] = token;
      at = tokenEnd;
    }
    return Arrays.copyOf(out, n);
  }

  private int child(int node, byte label) {
    for (int c = node + 1; c < trie.end[node]; c = trie.end[c]) {
      if (trie.label[c] == label) {
        return c;
      }
    }
    return 0;
  }

  /// Fewest bytes from here to a complete output.
  public int bytesToCompletion() {
    settle();
    return ended ? 0 : position.rest;
  }

  /// The bytes of a shortest way to a complete output.
  public byte[] completion() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    settle();
    work.allot(Work.MASK);
    Position p = position;
    while (!ended && !p.complete) {
      Position best = Position.DEAD;
      int bestClass = -1;
      for (int c = 0; c < automaton.classes.count(); c++) {
        Position next = positions.step(p, c);
        if (next != Position.DEAD && (bestClass < 0 || next.rest < best.rest)) {
          best = next;
          bestClass = c;
        }
      }
      if (bestClass < 0 || best.rest >= p.rest) {
        throw GrammarException.limit("grammar: expected a way to a complete text, found none");
      }
      out.write(automaton.classes.example(bestClass));
      p = best;
    }
    return out.toByteArray();
  }
}
