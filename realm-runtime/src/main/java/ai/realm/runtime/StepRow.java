package ai.realm.runtime;

import ai.realm.engine.StepRequest;
import ai.realm.engine.TokenConstraint;
import ai.realm.engine.grammar.GrammarException;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.tokenizer.Vocabulary;

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
  private final int index;
  private final int handle;
  final int at;
  final int tokens;
  final int count;
  final int out;
  final int logprob;
  final int flags;
  final int mask;
  final int matcher;
  private int prompt;

  /// Reads all but the sequence's handle and the fields of a sampler.
  ///
  /// @param index which request of the step it is
  StepRow(int index, GuestState.OpenSequence sequence, int handle, GuestMemory memory, int at) {
    this.index = index;
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

  int outputs() {
    return (flags & NONE) != 0 ? 0 : (flags & ALL) != 0 ? count : 1;
  }

  /// Tokens that it feeds besides the one that the sequence sampled itself.
  int prompt() {
    return prompt;
  }

  /// Reads the rest of the record into the sequence's request; 0 or an error.
  int prepare(GuestMemory memory, GuestState state) {
    int context = sequence.model.host().context();
    if (count < 1) {
      return wrongNumber(state, Errno.EINVAL, "n", 1, context, count);
    }
    if ((flags & ~FLAGS) != 0) {
      return wrongNumber(state, Errno.EINVAL, "flags", 0, FLAGS, flags);
    }
    if (count > context) {
      return wrongNumber(state, Errno.EMSGSIZE, "n", 1, context, count);
    }
    if (sequence.isBusy()) {
      return Errno.EBUSY;
    }
    if (sequence.tokens.length < count) {
      sequence.tokens = new int[Math.max(count, 2 * sequence.tokens.length)];
    }
    memory.ints(tokens, count, sequence.tokens);
    prompt = count - (sequence.sampled.isNext(sequence.tokens[0]) ? 1 : 0);
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
        return state.wrong(
            Errno.EINVAL, "requests[%d].%s", index, asField(String.valueOf(e.getMessage())));
      }
    } else {
      GrammarFunctions.OpenSampler open =
          state.handles().find(samplerHandle, GrammarFunctions.OpenSampler.class);
      if (open == null || open.host() != sequence.model.host()) {
        return open == null
            ? unknown(state, "sampler", samplerHandle)
            : ofAnotherModel(state, "sampler");
      }
      sampler = open.sampler();
    }
    int charged = sequence.charge(handle, hostBytes(), state);
    if (charged < 0) {
      return charged;
    }
    sequence.request.set(sequence.sequence, sequence.tokens, count, outputs(), sampler);
    sequence.request.wantLogprobs(logprob != 0);
    int error = keepLogits(state);
    return error < 0 ? error : constrain(memory, state);
  }

  private int wrongNumber(
      GuestState state, int errno, String field, int least, int most, int found) {
    return state.wrong(
        errno, "requests[%d].%s: expected %d to %d, found %d", index, field, least, most, found);
  }

  private int unknown(GuestState state, String field, int found) {
    return state.wrong(
        Errno.EBADF,
        "requests[%d].%s: expected the handle of an open %s or 0, found %d",
        index,
        field,
        field,
        found);
  }

  private int ofAnotherModel(GuestState state, String field) {
    return state.wrong(
        Errno.EINVAL,
        "requests[%d].%s: expected one of the sequence's model, found one of another",
        index,
        field);
  }

  /// What [SamplingParams] says, `top p: expected …`, with the name of the record's field, `top_p`.
  private static String asField(String reason) {
    int end = Math.max(0, reason.indexOf(':'));
    return reason.substring(0, end).replace(' ', '_') + reason.substring(end);
  }

  private int keepLogits(GuestState state) {
    if ((flags & LOGITS) == 0) {
      return 0;
    }
    long vocabulary = sequence.model.host().engine().model().config().vocabularySize();
    try {
      sequence.request.keepLogits(sequence.logits.room(outputs() * vocabulary));
      return 0;
    } catch (LimitException e) {
      state.call().refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    }
  }

  /// About what it and the request keep from step to step: tokens, what was sampled and how probable it was.
  private long hostBytes() {
    return 4L * sequence.tokens.length + 8L * outputs();
  }

  /// The sampler of the record's own fields.
  private Sampler ownSampler(GuestMemory memory) {
    memory.ints(at + 32, SAMPLING_FIELDS, sequence.sampling);
    Sampler known = sequence.sampler();
    return known == null ? sequence.use(params()) : known;
  }

  /// At most one of mask and matcher; `NO_END` alone or with a matcher. Any of them needs exactly one output.
  private int constrain(GuestMemory memory, GuestState state) {
    boolean noEnd = (flags & NO_END) != 0;
    if (mask == 0 && matcher == 0 && !noEnd) {
      return 0;
    }
    if (mask != 0 && (matcher != 0 || noEnd)) {
      return state.wrong(
          Errno.EINVAL,
          "requests[%d].mask_ptr: expected 0 beside %s, found %d",
          index,
          matcher != 0 ? "a matcher" : "NO_END",
          Integer.toUnsignedLong(mask));
    }
    if (outputs() != 1) {
      return state.wrong(
          Errno.EINVAL,
          "requests[%d].flags: expected one output with a mask, a matcher or NO_END, found %d outputs by flags %d",
          index,
          outputs(),
          flags);
    }
    if (noEnd && matcher == 0) {
      sequence.request.constrain(sequence.model.host().withoutEnd());
    } else if (mask != 0) {
      int vocabulary = sequence.model.host().tokenizer().vocabulary().size();
      sequence.request.constrain(new Mask(memory.ints(mask, (vocabulary + 31) / 32)));
    } else {
      MatcherFunctions.OpenMatcher open =
          state.handles().find(matcher, MatcherFunctions.OpenMatcher.class);
      if (open != null && open.host != sequence.model.host()) {
        return ofAnotherModel(state, "matcher");
      }
      if (open == null || !open.lend(sequence.request)) {
        return open == null ? unknown(state, "matcher", matcher) : Errno.EBUSY;
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
      sequence.request.constrain(
          noEnd ? sequence.model.host().withoutEnd(open.matcher) : open.matcher);
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

  /// The engine has taken the step: what it feeds and samples counts from here on.
  void submitted(Call call) {
    sequence.sampled.forget();
    call.countStep(prompt, outputs());
  }

  /// Counts what the step became. One that was given up before it ended stays counted as it was submitted.
  void ended(Call call) {
    StepRequest request = sequence.request;
    switch (request.state()) {
      case DONE -> sequence.sampled.sampled(request, count);
      case FAILED -> call.returnSampled(outputs() - request.produced());
      case IDLE, QUEUED -> {}
    }
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
        call.countAnswered();
      }
      if (!ends && (flags & EMIT) != 0) {
        call.emitToken(token);
        call.emit(sequence.decoder.accept(token));
        sequence.unfinishedIsEmitted = true;
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
