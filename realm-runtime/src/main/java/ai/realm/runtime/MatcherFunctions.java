package ai.realm.runtime;

import ai.realm.engine.StepRequest;
import ai.realm.engine.grammar.GrammarException;
import ai.realm.engine.grammar.Matcher;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// Host functions for matchers, which follow an output through a grammar.
final class MatcherFunctions {
  private static final int COMPLETE = 1;
  private static final int FINISHED = 2;

  private final GuestState state;

  MatcherFunctions(GuestState state) {
    this.state = state;
  }

  /// An open matcher with its grammar, and the last step that used it.
  static final class OpenMatcher implements HeldObject {
    final Matcher matcher;
    final ModelHost host;
    private final OpenGrammars grammars;
    private final OpenGrammars.Lease lease;
    private @Nullable StepRequest user;

    /// Takes the lease over.
    OpenMatcher(Matcher matcher, ModelHost host, OpenGrammars grammars, OpenGrammars.Lease lease) {
      this.matcher = matcher;
      this.host = host;
      this.grammars = grammars;
      this.lease = lease;
    }

    /// Gives it to a step; false where another step that has not ended has it.
    boolean lend(StepRequest request) {
      if (isBusy()) {
        return false;
      }
      user = request;
      return true;
    }

    /// Whether a step in flight owns it.
    boolean isBusy() {
      StepRequest present = user;
      return present != null && present.state() == StepRequest.State.QUEUED;
    }

    /// Charges what it and its grammar's masks have grown; 0 or `EDQUOT`.
    int settle(int handle, GuestState state) {
      int settled = state.settle(handle);
      return settled < 0 || grammars.settle(lease, state.hostMemory())
          ? settled
          : state.memoryUsedUp();
    }

    @Override
    public long heldBytes() {
      return matcher.byteSize();
    }

    @Override
    public void shrink() {
      matcher.forget();
    }

    @Override
    public void close() {
      grammars.close(lease);
    }
  }

  /// What a host function does with a matcher that no step has.
  private interface Use {
    int of(OpenMatcher open);
  }

  private int use(int handle, Use use) {
    OpenMatcher open = state.handles().find(handle, OpenMatcher.class);
    if (open == null) {
      return state.unknown("matcher", "matcher", handle);
    }
    if (open.isBusy()) {
      return Errno.EBUSY;
    }
    try {
      return use.of(open);
    } catch (GrammarException e) {
      // It reads the output in too many ways to follow.
      open.shrink();
      return tooMuch(e);
    }
  }

  private int tooMuch(GrammarException reason) {
    state.call().refuse(Errno.EDQUOT, reason);
    return Errno.EDQUOT;
  }

  /// `(grammar, model)`.
  int newMatcher(GuestMemory memory, int[] a) {
    GrammarFunctions.OpenGrammar grammar =
        state.handles().find(a[0], GrammarFunctions.OpenGrammar.class);
    if (grammar == null) {
      return state.unknown("grammar", "grammar", a[0]);
    }
    GuestState.OpenModel model = state.model(a[1]);
    if (model == null) {
      return state.unknown("model", "model", a[1]);
    }
    ModelHost host = model.host();
    try {
      Matcher matcher = Matcher.of(grammar.lease().grammar(), host.tokenTrie(), host.tokenizer());
      return keep(matcher, host, grammar.lease());
    } catch (GrammarException e) {
      return tooMuch(e);
    }
  }

  /// A handle of a matcher, which becomes a user of its grammar.
  private int keep(Matcher matcher, ModelHost host, OpenGrammars.Lease of) {
    OpenGrammars grammars = state.realm().grammars();
    OpenGrammars.Lease lease = grammars.open(of.grammar(), state.hostMemory());
    if (lease == null) {
      return state.memoryUsedUp();
    }
    OpenMatcher open = new OpenMatcher(matcher, host, grammars, lease);
    int handle = state.handle(open);
    if (handle < 0) {
      return handle;
    }
    // A grammar's first matcher on a vocabulary makes room for its masks.
    int settled = open.settle(handle, state);
    if (settled < 0 && state.handles().remove(handle)) {
      open.close();
    }
    return settled < 0 ? settled : handle;
  }

  /// `(matcher)` → another one at the same place.
  int fork(GuestMemory memory, int[] a) {
    return use(a[0], open -> keep(open.matcher.fork(), open.host, open.lease));
  }

  /// `(matcher, token)`: over a token that the guest appends itself.
  int accept(GuestMemory memory, int[] a) {
    return use(
        a[0],
        open -> {
          try {
            open.matcher.accept(a[1]);
          } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            return wrongToken(open, a[1]);
          }
          return open.settle(a[0], state);
        });
  }

  private int wrongToken(OpenMatcher open, int token) {
    int vocabulary = open.host.tokenizer().vocabulary().size();
    return token >= 0 && token < vocabulary
        ? state.wrong(
            Errno.EINVAL, "token: expected one that the grammar allows here, found %d", token)
        : state.wrong(Errno.EINVAL, "token: expected 0 to %d, found %d", vocabulary - 1, token);
  }

  /// `(matcher)` → bits.
  int status(GuestMemory memory, int[] a) {
    return use(
        a[0],
        open -> {
          int bits =
              (open.matcher.isComplete() ? COMPLETE : 0)
                  | (open.matcher.isFinished() ? FINISHED : 0);
          int settled = open.settle(a[0], state);
          return settled < 0 ? settled : bits;
        });
  }

  /// `(matcher, ptr, cap)` → bytes of the text that must follow.
  int forced(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    return use(
        a[0],
        open -> {
          byte[] text = open.matcher.forced().getBytes(StandardCharsets.UTF_8);
          int settled = open.settle(a[0], state);
          return settled < 0 ? settled : memory.put(text, a[1], a[2]);
        });
  }

  /// `(matcher, ptr, cap)` → ids of the text that must follow, which it does not move over.
  int forcedTokens(GuestMemory memory, int[] a) {
    memory.check(a[1], 4L * a[2]);
    return use(
        a[0],
        open -> {
          int[] tokens = open.matcher.forcedTokens();
          int settled = open.settle(a[0], state);
          return settled < 0 ? settled : memory.put(tokens, a[1], a[2]);
        });
  }

  /// `(matcher, ptr, cap)` → words of the bitset of what may come next; the capacity is in words of 32 bits.
  int mask(GuestMemory memory, int[] a) {
    memory.check(a[1], 4L * Math.max(0, a[2]));
    return use(
        a[0],
        open -> {
          if (a[2] < 0) {
            return state.wrong(Errno.EINVAL, "cap: expected at least 0, found %d", a[2]);
          }
          int vocabulary = open.host.tokenizer().vocabulary().size();
          long[] allowed = new long[(vocabulary + 63) / 64];
          open.matcher.mask(allowed);
          int settled = open.settle(a[0], state);
          return settled < 0 ? settled : memory.put(words(allowed, vocabulary), a[1], a[2]);
        });
  }

  /// A bitset as a guest reads it.
  private static int[] words(long[] bits, int count) {
    int[] words = new int[(count + 31) / 32];
    for (int i = 0; i < words.length; i++) {
      words[i] = (int) (bits[i / 2] >>> 32 * (i % 2));
    }
    return words;
  }

  /// `(matcher)`.
  int free(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    return open != null && open.isBusy()
        ? Errno.EBUSY
        : state.free(a[0], OpenMatcher.class, "matcher");
  }
}
