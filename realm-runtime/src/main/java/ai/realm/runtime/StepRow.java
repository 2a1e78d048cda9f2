package ai.realm.runtime;

import ai.realm.engine.TokenConstraint;
import ai.realm.engine.grammar.GrammarException;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.tokenizer.Vocabulary;
import org.jspecify.annotations.Nullable;

/// One request of a step: 64 bytes of the guest's memory, read once.
///
/// ```
/// 0 kv | 4 tokens_ptr | 8 n | 12 out_ptr | 16 logprob_ptr | 20 flags | 24 mask_ptr | 28 matcher
/// 32 temperature | 36 top_k | 40 top_p | 44 seed | 48 min_p | 52 repeat_penalty | 56 status | 60 sampler
/// ```
final class StepRow {
  static final int BYTES = 64;

  /// Fields from `temperature` to `repeat_penalty`.
  static final int SAMPLING_FIELDS = 6;

  private static final int ALL = 1;
  private static final int EMIT = 2;
  private static final int NONE = 4;
  private static final int LOGITS = 8;
  private static final int NO_END = 16;
  private static final int FLAGS = ALL | EMIT | NONE | LOGITS | NO_END;
  private static final int ENDS_GENERATION = 1;

  final GuestState.OpenSequence sequence;
  private final int handle;
  final int at;
  final int tokens;
  final int count;
  final int out;
  final int logprob;
  final int flags;
  final int mask;
  final int matcher;

  private StepRow(GuestState.OpenSequence sequence, int handle, GuestMemory memory, int at) {
    this.sequence = sequence;
    this.handle = handle;
    this.at = at;
    tokens = memory.getInt(at + 4);
    count = memory.getInt(at + 8);
    out = memory.getInt(at + 12);
    logprob = memory.getInt(at + 16);
    flags = memory.getInt(at + 20);
    mask = memory.getInt(at + 24);
    matcher = memory.getInt(at + 28);
  }

  static @Nullable StepRow read(GuestMemory memory, int at, GuestState state) {
    int handle = memory.getInt(at);
    GuestState.OpenSequence sequence = state.handles().find(handle, GuestState.OpenSequence.class);
    return sequence == null ? null : new StepRow(sequence, handle, memory, at);
  }

  int outputs() {
    return (flags & NONE) != 0 ? 0 : (flags & ALL) != 0 ? count : 1;
  }

  /// Reads the rest of the record into the sequence's request; 0 or an error.
  int prepare(GuestMemory memory, GuestState state) {
    if (count < 1 || count > sequence.model.host().context() || (flags & ~FLAGS) != 0) {
      return Errno.EINVAL;
    }
    if (sequence.isBusy()) {
      return Errno.EBUSY;
    }
    if (sequence.tokens.length < count) {
      sequence.tokens = new int[Math.max(count, 2 * sequence.tokens.length)];
    }
    memory.ints(tokens, count, sequence.tokens);
    memory.check(out, 4L * outputs());
    if (logprob != 0) {
      memory.check(logprob, 4L * outputs());
    }
    Sampler sampler;
    int samplerHandle = memory.getInt(at + 60);
    if (samplerHandle == 0) {
      try {
        sampler = ownSampler(memory);
      } catch (IllegalArgumentException e) {
        return Errno.EINVAL;
      }
    } else {
      GrammarFunctions.OpenSampler open =
          state.handles().find(samplerHandle, GrammarFunctions.OpenSampler.class);
      if (open == null) {
        return Errno.EBADF;
      }
      sampler = open.sampler();
    }
    int charged = sequence.charge(handle, hostBytes(samplerHandle == 0), state);
    if (charged < 0) {
      return charged;
    }
    sequence.request.set(sequence.sequence, sequence.tokens, count, outputs(), sampler);
    sequence.request.wantLogprobs(logprob != 0).keepLogits((flags & LOGITS) != 0);
    return constrain(memory, state);
  }

  /// What the step makes the host hold: the candidates of its own sampler, where that draws or looks back,
  /// and logits that are kept.
  private long hostBytes(boolean ownSampler) {
    long vocabulary = sequence.model.host().tokenizer().vocabulary().size();
    float penalty = Float.intBitsToFloat(sequence.sampling[5]);
    boolean greedy =
        Float.intBitsToFloat(sequence.sampling[0]) == 0 && (penalty == 0 || penalty == 1);
    boolean candidates = ownSampler && !greedy && outputs() > 0;
    boolean logits = (flags & LOGITS) != 0;
    return 4L * sequence.tokens.length
        + (candidates ? 8 * vocabulary : 0)
        + (logits ? 4 * vocabulary * outputs() : 0);
  }

  /// The sampler of the record's own fields.
  private Sampler ownSampler(GuestMemory memory) {
    memory.ints(at + 32, SAMPLING_FIELDS, sequence.sampling);
    Sampler known = sequence.sampler();
    return known == null ? sequence.use(params()) : known;
  }

  /// At most one of mask, matcher and `NO_END`, which needs exactly one output.
  private int constrain(GuestMemory memory, GuestState state) {
    boolean noEnd = (flags & NO_END) != 0;
    int constraints = (mask == 0 ? 0 : 1) + (matcher == 0 ? 0 : 1) + (noEnd ? 1 : 0);
    if (constraints == 0) {
      return 0;
    }
    if (constraints > 1 || outputs() != 1) {
      return Errno.EINVAL;
    }
    if (noEnd) {
      sequence.request.constrain(sequence.model.host().withoutEnd());
    } else if (mask != 0) {
      int vocabulary = sequence.model.host().tokenizer().vocabulary().size();
      sequence.request.constrain(new Mask(memory.ints(mask, (vocabulary + 31) / 32)));
    } else {
      GrammarFunctions.OpenMatcher open =
          state.handles().find(matcher, GrammarFunctions.OpenMatcher.class);
      if (open == null || !open.lend(sequence.request)) {
        return open == null ? Errno.EBADF : Errno.EBUSY;
      }
      try {
        open.matcher.prepare();
      } catch (GrammarException e) {
        open.shrink();
        state.call().refuse(Errno.EDQUOT, e);
        return Errno.EDQUOT;
      }
      int settled = open.settle(matcher, state);
      if (settled < 0) {
        return settled;
      }
      sequence.request.constrain(open.matcher);
    }
    return 0;
  }

  private SamplingParams params() {
    int[] fields = sequence.sampling;
    SamplingParams params =
        new SamplingParams(
            Float.intBitsToFloat(fields[0]),
            fields[1],
            Float.intBitsToFloat(fields[2]),
            Float.intBitsToFloat(fields[4]),
            fields[3]);
    float repeatPenalty = Float.intBitsToFloat(fields[5]);
    return repeatPenalty == 0 || repeatPenalty == 1
        ? params
        : params.toBuilder().penalties(64, repeatPenalty, 0, 0).build();
  }

  void write(GuestMemory memory, Call call) {
    Vocabulary vocabulary = sequence.model.host().tokenizer().vocabulary();
    int status = 0;
    for (int i = 0; i < outputs(); i++) {
      int token = sequence.request.token(i);
      memory.putInt(out + 4 * i, token);
      if (logprob != 0) {
        memory.putFloat(logprob + 4 * i, sequence.request.logprob(i));
      }
      boolean ends = vocabulary.isEndOfGeneration(token);
      status |= ends ? ENDS_GENERATION : 0;
      if (!ends) {
        call.countSampled();
      }
      if (!ends && (flags & EMIT) != 0) {
        call.emitToken(token);
        call.emit(sequence.decoder.accept(token));
      }
    }
    memory.putInt(at + 56, status);
  }

  /// A guest's bitset of what may be sampled, copied before the step.
  private record Mask(int[] bits) implements TokenConstraint {
    @Override
    public void mask(long[] allowed) {
      for (int i = 0; i < bits.length; i++) {
        allowed[i / 2] |= Integer.toUnsignedLong(bits[i]) << 32 * (i % 2);
      }
    }

    @Override
    public void accept(int token) {}
  }
}
