package ai.realm.runtime;

import ai.realm.engine.grammar.Grammar;
import ai.realm.engine.grammar.GrammarException;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CancellationException;

/// Host functions for what a step may sample: grammars, whose matchers are those of [MatcherFunctions], and samplers
/// with more settings than a step's record has.
final class GrammarFunctions {
  private static final int MAX_SOURCE_BYTES = 1 << 20;
  private static final int MAX_SAMPLER_BYTES = 1 << 16;
  private static final Grammar.Kind[] KINDS = {
    Grammar.Kind.GBNF, Grammar.Kind.JSON_SCHEMA, Grammar.Kind.REGEX, Grammar.Kind.JSON
  };

  private final GuestState state;

  GrammarFunctions(GuestState state) {
    this.state = state;
  }

  /// An open grammar; what it takes is charged once for all that use it.
  record OpenGrammar(OpenGrammars grammars, OpenGrammars.Lease lease) implements HeldObject {
    @Override
    public long heldBytes() {
      return 0;
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
    return state.free(a[0], OpenGrammar.class, "grammar");
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
    return state.free(a[0], OpenSampler.class, "sampler");
  }
}
