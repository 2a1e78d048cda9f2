package ai.realm.engine.grammar;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Steps through an automaton byte by byte. Positions met before are found again, so that walking a
/// vocabulary's trie follows tables once the few positions in reach are known. Used by one thread at a
/// time.
final class Positions {
  /// Deepest stack; a text that nests deeper does not match.
  static final int MAX_DEPTH = 1000;

  /// Most states at once, for grammars that are ambiguous without bound.
  private static final int MAX_WIDTH = 2000;

  private static final int MAX_CACHED = 4000;

  /// Slots, of [#SLOT_BYTES] bytes, of all positions and stacks that are kept from token to token.
  private static final int MAX_SLOTS = 500_000;

  /// The same within one mask or move; only grammars that read a text in very many ways come near.
  private static final int MAX_WORKING_SLOTS = 4_000_000;

  static final int SLOT_BYTES = 4;

  // Slots of a stack's frame, of a position without its states, and of an array's own, with their
  // places
  // in maps.
  private static final int FRAME_SLOTS = 25;
  private static final int POSITION_SLOTS = 32;
  private static final int ARRAY_SLOTS = 4;

  private final Automaton automaton;
  private final Work work;
  private final int classCount;
  private Map<Position, Position> known = new HashMap<>();
  private Map<Frame, Frame> frames = new HashMap<>();

  // the closure under construction
  private int[] doneStates = new int[16];
  private @Nullable Frame[] doneFrames = new @Nullable Frame[16];
  private int done;
  private int[] todoStates = new int[16];
  private @Nullable Frame[] todoFrames = new @Nullable Frame[16];
  private int todo;
  private boolean complete;
  private int slots;

  /// With an account of its own, which is that of one mask.
  Positions(Automaton automaton) {
    this(automaton, new Work());
  }

  /// @param work pays for positions that were not met before
  Positions(Automaton automaton, Work work) {
    this.automaton = automaton;
    this.work = work;
    this.classCount = automaton.classes.count();
  }

  /// The position before the first byte.
  Position start() {
    begin();
    enter(automaton.root, null);
    return finish();
  }

  /// The position of one state with a stack.
  Position at(int state, @Nullable Frame frame) {
    begin();
    push(state, frame);
    return finish();
  }

  /// The position after the machine above a stack has ended.
  Position after(@Nullable Frame frame) {
    begin();
    pop(frame);
    return finish();
  }

  /// Forgets what was met, when that has become much; gives the same position anew.
  Position tidy(Position position) {
    if (known.size() <= MAX_CACHED && slots <= MAX_SLOTS || position == Position.DEAD) {
      return position;
    }
    return adopt(position);
  }

  /// Forgets what was met; gives a position, which may be another matcher's, as one of this.
  Position adopt(Position position) {
    known = new HashMap<>();
    frames = new HashMap<>();
    slots = 0;
    for (Frame frame : position.frames) {
      Frame f = frame;
      while (f != null && frames.putIfAbsent(f, f) == null) {
        slots += FRAME_SLOTS;
        f = f.parent;
      }
    }
    Position fresh =
        new Position(position.states, position.frames, position.complete, position.rest);
    known.put(fresh, fresh);
    slots += POSITION_SLOTS + 2 * fresh.size();
    return fresh;
  }

  private void hold(int more) {
    slots += more;
    if (slots > MAX_WORKING_SLOTS) {
      known = new HashMap<>();
      frames = new HashMap<>();
      throw GrammarException.limit(
          "grammar: expected fewer ways to read the output so far; keeping them all takes too much");
    }
  }

  /// About how many bytes it keeps.
  long byteSize() {
    return (long) SLOT_BYTES * slots;
  }

  Position step(Position from, int byteClass) {
    @Nullable Position[] row = from.next;
    if (row == null) {
      row = new @Nullable Position[classCount];
      hold(ARRAY_SLOTS + classCount);
      from.next = row;
    }
    Position to = row[byteClass];
    if (to == null) {
      to = compute(from, byteClass);
      row[byteClass] = to;
    }
    return to;
  }

  private Position compute(Position from, int byteClass) {
    begin();
    work.spend(1 + from.size());
    for (int i = 0; i < from.size(); i++) {
      int t = automaton.move(from.states[i], byteClass);
      if (t >= 0) {
        push(t, from.frames[i]);
      }
    }
    return finish();
  }

  private void begin() {
    done = 0;
    todo = 0;
    complete = false;
  }

  private Position finish() {
    while (todo > 0) {
      todo--;
      expand(todoStates[todo], todoFrames[todo]);
    }
    int n = 0;
    int rest = complete ? 0 : Automaton.NEVER;
    for (int i = 0; i < done; i++) {
      int state = doneStates[i];
      if (automaton.readsBytes[state]) {
        Frame frame = doneFrames[i];
        doneStates[n] = state;
        doneFrames[n] = frame;
        n++;
        rest = Math.min(rest, distance(state, frame));
      }
    }
    if (n == 0 && !complete) {
      return Position.DEAD;
    }
    Position fresh =
        new Position(Arrays.copyOf(doneStates, n), Arrays.copyOf(doneFrames, n), complete, rest);
    Position same = known.putIfAbsent(fresh, fresh);
    if (same != null) {
      return same;
    }
    hold(POSITION_SLOTS + 2 * n);
    return fresh;
  }

  private int distance(int state, @Nullable Frame frame) {
    return Automaton.plus(automaton.distance[state], frame == null ? 0 : frame.rest);
  }

  private void expand(int state, @Nullable Frame frame) {
    work.spend(1 + done);
    for (int i = 0; i < done; i++) {
      if (doneStates[i] == state && doneFrames[i] == frame) {
        return;
      }
    }
    if (done == MAX_WIDTH) {
      throw GrammarException.limit(
          "grammar: expected at most %d readings of a text at once".formatted(MAX_WIDTH));
    }
    if (done == doneStates.length) {
      doneStates = Arrays.copyOf(doneStates, 2 * done);
      doneFrames = Arrays.copyOf(doneFrames, 2 * done);
    }
    doneStates[done] = state;
    doneFrames[done++] = frame;
    int[] pairs = automaton.calls[state];
    for (int i = 0; i < pairs.length; i += 2) {
      int back = pairs[i + 1];
      if (automaton.isLast(back)) {
        enter(pairs[i], frame);
      } else if (frame == null || frame.depth < MAX_DEPTH) {
        enter(pairs[i], only(Frame.call(automaton, back, frame)));
      }
    }
    if (automaton.accepting[state]) {
      pop(frame);
    }
  }

  /// The one frame of its kind, so that stacks are compared by their top.
  private Frame only(Frame frame) {
    Frame known = frames.putIfAbsent(frame, frame);
    if (known != null) {
      return known;
    }
    hold(FRAME_SLOTS);
    return frame;
  }

  private void enter(int machine, @Nullable Frame frame) {
    if (automaton.isCounted(machine)) {
      repeat(machine, 0, frame);
    } else {
      push(automaton.start[machine], frame);
    }
  }

  /// @param count repetitions of the counted machine that are finished
  private void repeat(int machine, int count, @Nullable Frame frame) {
    int max = automaton.countMax[machine];
    int min = automaton.countMin[machine];
    if (count < max) {
      int kept = max == Expr.Repeat.UNBOUNDED ? Math.min(count, min) : count;
      push(automaton.start[machine], only(Frame.counted(automaton, machine, kept, frame)));
    }
    if (count >= min) {
      pop(frame);
    }
  }

  private void pop(@Nullable Frame frame) {
    if (frame == null) {
      complete = true;
    } else if (frame.isCounted()) {
      repeat(frame.machine, frame.count + 1, frame.parent);
    } else {
      push(frame.state, frame.parent);
    }
  }

  private void push(int state, @Nullable Frame frame) {
    if (todo == todoStates.length) {
      todoStates = Arrays.copyOf(todoStates, 2 * todo);
      todoFrames = Arrays.copyOf(todoFrames, 2 * todo);
    }
    todoStates[todo] = state;
    todoFrames[todo++] = frame;
  }
}
