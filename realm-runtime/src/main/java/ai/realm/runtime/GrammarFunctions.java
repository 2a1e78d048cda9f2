package ai.realm.runtime;

import ai.realm.engine.StepRequest;
import ai.realm.engine.grammar.Grammar;
import ai.realm.engine.grammar.GrammarException;
import ai.realm.engine.grammar.Matcher;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/// Host functions for what a step may sample: grammars, the matchers that follow an output through one,
/// and samplers with more settings than a step's record has.
final class GrammarFunctions {
  private static final int MAX_SOURCE_BYTES = 1 << 20;
  private static final int MAX_SAMPLER_BYTES = 1 << 16;
  private static final int COMPLETE = 1;
  private static final int FINISHED = 2;
  private static final Grammar.Kind[] KINDS = {
    Grammar.Kind.GBNF, Grammar.Kind.JSON_SCHEMA, Grammar.Kind.REGEX, Grammar.Kind.JSON
  };

  private final GuestState state;

  GrammarFunctions(GuestState state) {
    this.state = state;
  }

  /// An open grammar; what it takes is charged once for all that use it.
  private record OpenGrammar(OpenGrammars grammars, OpenGrammars.Lease lease)
      implements HeldObject {
    @Override
    public long heldBytes() {
      return 0;
    }

    @Override
    public void close() {
      grammars.close(lease);
    }
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

  /// An open sampler of a model.
  ///
  /// @param heldBytes about
  record OpenSampler(Sampler sampler, ModelHost host, long heldBytes) implements HeldObject {
    /// Bytes for each byte of its settings.
    private static final int SETTING_BYTES = 32;

    static OpenSampler of(SamplingParams params, ModelHost host, int settings) {
      long bytes = (long) SETTING_BYTES * settings + params.dry().breakers().bytes();
      return new OpenSampler(Sampler.of(params), host, bytes);
    }

    @Override
    public void close() {}
  }

  /// `(kind, ptr, len)`.
  int compile(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    if (a[0] < 0 || a[0] >= KINDS.length) {
      return state.wrong(Errno.EINVAL, "kind: expected 0 to %d, found %d", KINDS.length - 1, a[0]);
    }
    if (a[2] > MAX_SOURCE_BYTES) {
      return state.wrong(
          Errno.EMSGSIZE, "len: expected at most %d, found %d", MAX_SOURCE_BYTES, a[2]);
    }
    String source = new String(memory.bytes(a[1], a[2]), StandardCharsets.UTF_8);
    OpenGrammars grammars = state.realm().grammars();
    try {
      OpenGrammars.Lease lease = grammars.compile(KINDS[a[0]], source, state.hostMemory());
      return lease == null ? state.memoryUsedUp() : state.handle(new OpenGrammar(grammars, lease));
    } catch (GrammarException e) {
      int error = e.code().equals("GRAMMAR_LIMIT") ? Errno.EDQUOT : Errno.EINVAL;
      state.call().refuse(error, e);
      return error;
    }
  }

  int freeGrammar(GuestMemory memory, int[] a) {
    return free(a[0], OpenGrammar.class, "grammar");
  }

  /// `(grammar, model)`.
  int newMatcher(GuestMemory memory, int[] a) {
    OpenGrammar grammar = state.handles().find(a[0], OpenGrammar.class);
    GuestState.OpenModel model = state.model(a[1]);
    if (grammar == null || model == null) {
      return grammar == null
          ? state.unknown("grammar", "grammar", a[0])
          : state.unknown("model", "model", a[1]);
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

  int forkMatcher(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    if (open == null || open.isBusy()) {
      return open == null ? unknownMatcher(a[0]) : Errno.EBUSY;
    }
    try {
      return keep(open.matcher.fork(), open.host, open.lease);
    } catch (GrammarException e) {
      return tooMuch(open, e);
    }
  }

  /// `(matcher, token)`: over a token that the guest appends itself.
  int accept(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    if (open == null || open.isBusy()) {
      return open == null ? unknownMatcher(a[0]) : Errno.EBUSY;
    }
    try {
      open.matcher.accept(a[1]);
      return open.settle(a[0], state);
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      int vocabulary = open.host.tokenizer().vocabulary().size();
      return a[1] >= 0 && a[1] < vocabulary
          ? state.wrong(
              Errno.EINVAL, "token: expected one that the grammar allows here, found %d", a[1])
          : state.wrong(Errno.EINVAL, "token: expected 0 to %d, found %d", vocabulary - 1, a[1]);
    } catch (GrammarException e) {
      return tooMuch(open, e);
    }
  }

  /// `(matcher, ptr, cap)` → ids of the text that must follow, which it does not move over.
  int forcedTokens(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    memory.check(a[1], 4L * a[2]);
    if (open == null || open.isBusy()) {
      return open == null ? unknownMatcher(a[0]) : Errno.EBUSY;
    }
    try {
      int[] tokens = open.matcher.forcedTokens();
      int settled = open.settle(a[0], state);
      return settled < 0 ? settled : memory.put(tokens, a[1], a[2]);
    } catch (GrammarException e) {
      return tooMuch(open, e);
    }
  }

  private int unknownMatcher(int handle) {
    return state.unknown("matcher", "matcher", handle);
  }

  /// A grammar that reads an output in too many ways to follow.
  private int tooMuch(OpenMatcher open, GrammarException reason) {
    open.shrink();
    return tooMuch(reason);
  }

  private int tooMuch(GrammarException reason) {
    state.call().refuse(Errno.EDQUOT, reason);
    return Errno.EDQUOT;
  }

  /// `(matcher)` → bits.
  int status(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    if (open == null || open.isBusy()) {
      return open == null ? unknownMatcher(a[0]) : Errno.EBUSY;
    }
    try {
      int bits =
          (open.matcher.isComplete() ? COMPLETE : 0) | (open.matcher.isFinished() ? FINISHED : 0);
      int settled = open.settle(a[0], state);
      return settled < 0 ? settled : bits;
    } catch (GrammarException e) {
      return tooMuch(open, e);
    }
  }

  /// `(matcher, ptr, cap)` → bytes of the text that must follow.
  int forced(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    memory.check(a[1], a[2]);
    if (open == null || open.isBusy()) {
      return open == null ? unknownMatcher(a[0]) : Errno.EBUSY;
    }
    try {
      byte[] text = open.matcher.forced().getBytes(StandardCharsets.UTF_8);
      int settled = open.settle(a[0], state);
      return settled < 0 ? settled : memory.put(text, a[1], a[2]);
    } catch (GrammarException e) {
      return tooMuch(open, e);
    }
  }

  /// `(matcher, ptr, cap)` → words of the bitset of what may come next; the capacity is in words of 32 bits.
  int mask(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    memory.check(a[1], 4L * Math.max(0, a[2]));
    if (open == null || open.isBusy() || a[2] < 0) {
      return open == null
          ? unknownMatcher(a[0])
          : a[2] < 0
              ? state.wrong(Errno.EINVAL, "cap: expected at least 0, found %d", a[2])
              : Errno.EBUSY;
    }
    int vocabulary = open.host.tokenizer().vocabulary().size();
    long[] allowed = new long[(vocabulary + 63) / 64];
    try {
      open.matcher.mask(allowed);
    } catch (GrammarException e) {
      return tooMuch(open, e);
    }
    int settled = open.settle(a[0], state);
    if (settled < 0) {
      return settled;
    }
    int[] words = new int[(vocabulary + 31) / 32];
    for (int i = 0; i < words.length; i++) {
      words[i] = (int) (allowed[i / 2] >>> 32 * (i % 2));
    }
    return memory.put(words, a[1], a[2]);
  }

  int freeMatcher(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    return open != null && open.isBusy() ? Errno.EBUSY : free(a[0], OpenMatcher.class, "matcher");
  }

  /// `(model, json_ptr, json_len)`.
  int newSampler(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    if (a[2] > MAX_SAMPLER_BYTES) {
      return state.wrong(
          Errno.EMSGSIZE, "json_len: expected at most %d, found %d", MAX_SAMPLER_BYTES, a[2]);
    }
    try {
      SamplingParams params = SamplerConfig.read(memory.bytes(a[1], a[2]), model);
      return state.handle(OpenSampler.of(params, model.host(), a[2]));
    } catch (CancellationException e) {
      return Errno.ECANCELED;
    } catch (SamplerConfig.InvalidException e) {
      state.call().refuse(Errno.EINVAL, e);
      return Errno.EINVAL;
    }
  }

  int freeSampler(GuestMemory memory, int[] a) {
    return free(a[0], OpenSampler.class, "sampler");
  }

  private int free(int handle, Class<? extends HeldObject> type, String kind) {
    HeldObject object = state.handles().find(handle, type);
    if (object == null) {
      return state.unknown(kind, kind, handle);
    }
    if (state.handles().remove(handle)) {
      object.close();
    }
    return 0;
  }
}
