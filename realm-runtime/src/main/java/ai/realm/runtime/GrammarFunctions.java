package ai.realm.runtime;

import ai.realm.engine.StepRequest;
import ai.realm.engine.grammar.Grammar;
import ai.realm.engine.grammar.GrammarException;
import ai.realm.engine.grammar.Matcher;
import ai.realm.engine.sampling.Sampler;
import java.nio.charset.StandardCharsets;
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

  /// An open grammar.
  private record OpenGrammar(Grammar grammar) implements AutoCloseable {
    @Override
    public void close() {}
  }

  /// An open matcher, and the last step that used it.
  static final class OpenMatcher implements AutoCloseable {
    final Matcher matcher;
    final ModelHost host;
    final int vocabulary;
    private @Nullable StepRequest user;

    OpenMatcher(Matcher matcher, ModelHost host) {
      this.matcher = matcher;
      this.host = host;
      this.vocabulary = host.tokenizer().vocabulary().size();
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

    @Override
    public void close() {}
  }

  /// An open sampler of a model.
  record OpenSampler(Sampler sampler, ModelHost host) implements AutoCloseable {
    @Override
    public void close() {}
  }

  /// `(kind, ptr, len)`.
  int compile(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    if (a[0] < 0 || a[0] >= KINDS.length) {
      return Errno.EINVAL;
    }
    if (a[2] > MAX_SOURCE_BYTES) {
      return Errno.EMSGSIZE;
    }
    String source = new String(memory.bytes(a[1], a[2]), StandardCharsets.UTF_8);
    try {
      return state.handle(new OpenGrammar(state.realm().grammars().get(KINDS[a[0]], source)));
    } catch (GrammarException e) {
      int error = e.code().equals("GRAMMAR_LIMIT") ? Errno.EDQUOT : Errno.EINVAL;
      state.call().refuse(error, e);
      return error;
    }
  }

  int freeGrammar(GuestMemory memory, int[] a) {
    return free(a[0], OpenGrammar.class);
  }

  /// `(grammar, model)`.
  int newMatcher(GuestMemory memory, int[] a) {
    OpenGrammar grammar = state.handles().find(a[0], OpenGrammar.class);
    GuestState.OpenModel model = state.model(a[1]);
    if (grammar == null || model == null) {
      return Errno.EBADF;
    }
    ModelHost host = model.host();
    return state.handle(
        new OpenMatcher(Matcher.of(grammar.grammar(), host.tokenTrie(), host.tokenizer()), host));
  }

  int forkMatcher(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    if (open == null || open.isBusy()) {
      return open == null ? Errno.EBADF : Errno.EBUSY;
    }
    try {
      return state.handle(new OpenMatcher(open.matcher.fork(), open.host));
    } catch (GrammarException e) {
      return tooMuch(e);
    }
  }

  /// `(matcher, token)`: over a token that the guest appends itself.
  int accept(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    if (open == null || open.isBusy()) {
      return open == null ? Errno.EBADF : Errno.EBUSY;
    }
    try {
      open.matcher.accept(a[1]);
      return 0;
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      return Errno.EINVAL;
    } catch (GrammarException e) {
      return tooMuch(e);
    }
  }

  /// A grammar that reads an output in too many ways to follow.
  private int tooMuch(GrammarException reason) {
    state.call().refuse(Errno.EDQUOT, reason);
    return Errno.EDQUOT;
  }

  /// `(matcher)` → bits.
  int status(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    if (open == null || open.isBusy()) {
      return open == null ? Errno.EBADF : Errno.EBUSY;
    }
    try {
      return (open.matcher.isComplete() ? COMPLETE : 0)
          | (open.matcher.isFinished() ? FINISHED : 0);
    } catch (GrammarException e) {
      return tooMuch(e);
    }
  }

  /// `(matcher, ptr, cap)` → bytes of the text that must follow.
  int forced(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    memory.check(a[1], a[2]);
    if (open == null || open.isBusy()) {
      return open == null ? Errno.EBADF : Errno.EBUSY;
    }
    try {
      return memory.put(open.matcher.forced().getBytes(StandardCharsets.UTF_8), a[1], a[2]);
    } catch (GrammarException e) {
      return tooMuch(e);
    }
  }

  /// `(matcher, ptr, cap)` → words of the bitset of what may come next; the capacity is in words of 32 bits.
  int mask(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    memory.check(a[1], 4L * Math.max(0, a[2]));
    if (open == null || open.isBusy() || a[2] < 0) {
      return open == null ? Errno.EBADF : a[2] < 0 ? Errno.EINVAL : Errno.EBUSY;
    }
    long[] allowed = new long[(open.vocabulary + 63) / 64];
    try {
      open.matcher.mask(allowed);
    } catch (GrammarException e) {
      return tooMuch(e);
    }
    int[] words = new int[(open.vocabulary + 31) / 32];
    for (int i = 0; i < words.length; i++) {
      words[i] = (int) (allowed[i / 2] >>> 32 * (i % 2));
    }
    return memory.put(words, a[1], a[2]);
  }

  int freeMatcher(GuestMemory memory, int[] a) {
    OpenMatcher open = state.handles().find(a[0], OpenMatcher.class);
    return open != null && open.isBusy() ? Errno.EBUSY : free(a[0], OpenMatcher.class);
  }

  /// `(model, json_ptr, json_len)`.
  int newSampler(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return Errno.EBADF;
    }
    if (a[2] > MAX_SAMPLER_BYTES) {
      return Errno.EMSGSIZE;
    }
    try {
      return state.handle(
          new OpenSampler(
              Sampler.of(SamplerConfig.read(memory.bytes(a[1], a[2]), model)), model.host()));
    } catch (SamplerConfig.InvalidException e) {
      state.call().refuse(Errno.EINVAL, e);
      return Errno.EINVAL;
    }
  }

  int freeSampler(GuestMemory memory, int[] a) {
    return free(a[0], OpenSampler.class);
  }

  private int free(int handle, Class<? extends AutoCloseable> type) {
    if (state.handles().find(handle, type) == null) {
      return Errno.EBADF;
    }
    state.handles().remove(handle);
    return 0;
  }
}
