package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.EngineException;
import ai.realm.engine.StepRequest;
import ai.realm.engine.TokenConstraint;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The host function `step`: reads the guest's requests, lets the engine run them in one forward step
/// and writes the results back. The plain case, one request, allocates nothing that lasts.
///
/// ```
/// 0 kv | 4 tokens_ptr | 8 n | 12 out_ptr | 16 logprob_ptr | 20 flags | 24 mask_ptr | 28 matcher
/// 32 temperature | 36 top_k | 40 top_p | 44 seed | 48 min_p | 52 repeat_penalty | 56 status | 60 –
/// ```
final class Steps {
  static final int REQUEST_BYTES = 64;
  private static final int MAX_REQUESTS = 64;

  /// Fields from `temperature` to `repeat_penalty`.
  static final int SAMPLING_FIELDS = 6;

  private static final int ALL = 1;
  private static final int EMIT = 2;
  private static final int NONE = 4;
  private static final int ENDS_GENERATION = 1;

  private final Realm realm;
  private final List<StepRequest> submitted = new ArrayList<>();

  Steps(Realm realm) {
    this.realm = realm;
  }

  int step(GuestMemory memory, int[] a) {
    int count = a[1];
    if (count < 1 || count > MAX_REQUESTS) {
      return Errno.EINVAL;
    }
    memory.check(a[0], (long) REQUEST_BYTES * count);
    Call call = realm.call();
    if (call.isCancelled()) {
      return Errno.ECANCELED;
    }
    if (call.isPastDeadline()) {
      throw new GuestTrapException("GUEST_DEADLINE", "guest: its time for the call is over");
    }
    Row[] rows = new Row[count];
    submitted.clear();
    for (int i = 0; i < count; i++) {
      Row row = Row.read(memory, a[0] + REQUEST_BYTES * i, realm);
      if (row == null) {
        return Errno.EBADF;
      }
      int error = row.prepare(memory);
      if (error < 0) {
        return error;
      }
      rows[i] = row;
      submitted.add(row.sequence.request);
    }
    int error = run(rows, call);
    if (error < 0) {
      return error;
    }
    for (Row row : rows) {
      row.write(memory, call);
    }
    return 0;
  }

  private int run(Row[] rows, Call call) {
    try {
      for (Row row : rows) {
        if (row.sequence.model.host() != rows[0].sequence.model.host()) {
          return Errno.EINVAL;
        }
      }
      long submittedNanos = System.nanoTime();
      rows[0].sequence.model.host().engine().submit(submitted);
      for (Row row : rows) {
        row.sequence.request.await(call.deadlineNanos());
        call.countStep(row.count);
      }
      call.countWait(System.nanoTime() - submittedNanos);
      return 0;
    } catch (AdmissionException e) {
      return HostFunctions.errno(e);
    } catch (EngineException e) {
      if (e.code().equals("DEADLINE")) {
        throw new GuestTrapException("GUEST_DEADLINE", "guest: its time for the call is over", e);
      }
      return HostFunctions.errno(e);
    } catch (IllegalArgumentException e) {
      return Errno.EINVAL;
    } catch (InterruptedException e) {
      // The flag must not reach the guest's next instruction: it is told by the result.
      return Errno.ECANCELED;
    }
  }

  /// One request of a step.
  private static final class Row {
    final Realm.OpenSequence sequence;
    final int at;
    final int tokens;
    final int count;
    final int out;
    final int logprob;
    final int flags;

    private Row(Realm.OpenSequence sequence, GuestMemory memory, int at) {
      this.sequence = sequence;
      this.at = at;
      tokens = memory.getInt(at + 4);
      count = memory.getInt(at + 8);
      out = memory.getInt(at + 12);
      logprob = memory.getInt(at + 16);
      flags = memory.getInt(at + 20);
    }

    static @Nullable Row read(GuestMemory memory, int at, Realm realm) {
      Realm.OpenSequence sequence =
          realm.handles().find(memory.getInt(at), Realm.OpenSequence.class);
      return sequence == null ? null : new Row(sequence, memory, at);
    }

    int outputs() {
      return (flags & NONE) != 0 ? 0 : (flags & ALL) != 0 ? count : 1;
    }

    int prepare(GuestMemory memory) {
      if (count < 1
          || count > sequence.model.host().context()
          || (flags & ~(ALL | EMIT | NONE)) != 0
          || memory.getInt(at + 28) != 0) {
        return Errno.EINVAL;
      }
      if (sequence.tokens.length < count) {
        sequence.tokens = new int[Math.max(count, 2 * sequence.tokens.length)];
      }
      memory.ints(tokens, count, sequence.tokens);
      memory.check(out, 4L * outputs());
      if (logprob != 0) {
        memory.check(logprob, 4L * outputs());
      }
      int mask = memory.getInt(at + 24);
      memory.ints(at + 32, SAMPLING_FIELDS, sequence.sampling);
      Sampler sampler = sequence.sampler();
      if (sampler == null) {
        try {
          sampler = sequence.use(params(memory));
        } catch (IllegalArgumentException e) {
          return Errno.EINVAL;
        }
      }
      sequence.request.set(sequence.sequence, sequence.tokens, count, outputs(), sampler);
      sequence.request.wantLogprobs(logprob != 0);
      if (mask != 0) {
        if (outputs() != 1) {
          return Errno.EINVAL;
        }
        int vocabulary = sequence.model.host().tokenizer().vocabulary().size();
        sequence.request.constrain(new Mask(memory.ints(mask, (vocabulary + 31) / 32)));
      }
      return 0;
    }

    private SamplingParams params(GuestMemory memory) {
      SamplingParams params =
          new SamplingParams(
              memory.getFloat(at + 32),
              memory.getInt(at + 36),
              memory.getFloat(at + 40),
              memory.getFloat(at + 48),
              memory.getInt(at + 44));
      float repeatPenalty = memory.getFloat(at + 52);
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
