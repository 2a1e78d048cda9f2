package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.Engine;
import ai.realm.engine.Sequence;
import ai.realm.engine.StepRequest;
import ai.realm.model.ModelConfig;
import ai.realm.model.Pooling;

/// The host function `embed`: the engine computes the tokens as it computes a prompt, in steps with
/// strangers, charged like one.
final class EmbeddingFunctions {
  /// What a guest may ask for, by number: those of GGUF's `pooling_type`, 0 for the model's own.
  private static final Pooling[] POOLINGS = {Pooling.NONE, Pooling.MEAN, Pooling.CLS, Pooling.LAST};

  private final GuestState state;

  EmbeddingFunctions(GuestState state) {
    this.state = state;
  }

  /// `(model or kv, tokens_ptr, n, flags, out_ptr, cap)`: the size of the embedding; the capacity is in
  /// floats.
  int embed(GuestMemory memory, int[] a) {
    memory.check(a[1], 4L * a[2]);
    memory.check(a[4], 4L * a[5]);
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    GuestState.OpenModel model = sequence == null ? state.model(a[0]) : sequence.model;
    if (model == null) {
      return state.unknown("model_or_kv", "model or sequence", a[0]);
    }
    if (sequence != null && sequence.isBusy()) {
      return Errno.EBUSY;
    }
    int context = model.host().context();
    if (a[2] < 1 || a[2] > context) {
      int error = a[2] < 1 ? Errno.EINVAL : Errno.EMSGSIZE;
      return state.wrong(error, "n: expected 1 to %d, found %d", context, a[2]);
    }
    if (a[3] < 0 || a[3] >= POOLINGS.length) {
      return state.wrong(
          Errno.EINVAL, "flags: expected 0 to %d, found %d", POOLINGS.length - 1, a[3]);
    }
    try (HostMemory.Loan room = state.hostMemory().new Loan()) {
      float[] row = new float[model.host().embeddingLength()];
      Pooling pooling = a[3] == 0 ? model.host().pooling() : POOLINGS[a[3]];
      int error;
      if (sequence == null) {
        room.take(4L * a[2]);
        error = computeAlone(model, memory.ints(a[1], a[2]), pooling, row);
      } else {
        error = computeIn(a[0], sequence, memory, a, pooling, row);
      }
      if (error < 0) {
        return error;
      }
      memory.put(row, a[4], Math.min(row.length, a[5]));
      return row.length;
    } catch (LimitException e) {
      state.call().refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    }
  }

  /// In an open sequence, whose request keeps the tokens until its next step.
  private int computeIn(
      int handle,
      GuestState.OpenSequence open,
      GuestMemory memory,
      int[] a,
      Pooling pooling,
      float[] row) {
    int charged = open.charge(handle, 4L * a[2], state);
    if (charged < 0) {
      return charged;
    }
    open.sampled.forget();
    Engine engine = open.model.host().engine();
    return compute(engine, open.sequence, open.request, memory.ints(a[1], a[2]), pooling, row);
  }

  private int computeAlone(GuestState.OpenModel model, int[] tokens, Pooling pooling, float[] row) {
    try (Sequence fresh = model.host().engine().newSequence(model.tenant(), model.adapter())) {
      return compute(model.host().engine(), fresh, new StepRequest(), tokens, pooling, row);
    } catch (AdmissionException e) {
      return refused(e);
    }
  }

  /// Computes the tokens behind what the sequence has; 0 or an error.
  private int compute(
      Engine engine,
      Sequence sequence,
      StepRequest request,
      int[] tokens,
      Pooling pooling,
      float[] row) {
    Call call = state.call();
    int error = Steps.checkTime(call);
    if (error < 0) {
      return error;
    }
    if (!call.admitStep(tokens.length, 0)) {
      return Errno.EDQUOT;
    }
    try {
      request.set(sequence, tokens, tokens.length, 0, null).embed(pooling);
      engine.submit(request);
    } catch (AdmissionException e) {
      call.returnStep(tokens.length, 0);
      return refused(e);
    } catch (IllegalArgumentException e) {
      call.returnStep(tokens.length, 0);
      return wrong(engine.model().config(), sequence, tokens, pooling);
    }
    call.countStep(tokens.length, 0);
    error = Steps.await(request, call);
    if (error == 0) {
      float[] embedding = request.embedding();
      System.arraycopy(embedding, 0, row, 0, row.length);
    }
    return error;
  }

  /// What of a request the engine did not take.
  private int wrong(ModelConfig model, Sequence sequence, int[] tokens, Pooling pooling) {
    if (pooling == Pooling.RANK) {
      return state.wrong(
          Errno.EINVAL,
          "flags: expected 1 to %d, as the model's own pooling is a reranker's, found 0",
          POOLINGS.length - 1);
    }
    if (!model.generates() && sequence.length() > 0) {
      return state.wrong(
          Errno.EINVAL,
          "model_or_kv: expected a sequence without tokens, as the model only embeds, found %d",
          sequence.length());
    }
    int vocabulary = model.vocabularySize();
    int at = Steps.unknownToken(tokens, tokens.length, vocabulary);
    return at < 0
        ? Errno.EINVAL
        : state.wrong(
            Errno.EINVAL,
            "tokens_ptr[%d]: expected 0 to %d, found %d",
            at,
            vocabulary - 1,
            tokens[at]);
  }

  private int refused(AdmissionException reason) {
    int error = HostFunctions.errno(reason);
    state.call().refuse(error, reason);
    return error;
  }
}
