package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.StepRequest;
import java.nio.charset.StandardCharsets;

/// Host functions on sequences: their tokens, their text, the logits of their last step.
final class SequenceFunctions {
  private final GuestState state;
  private float[] logits = new float[0];

  SequenceFunctions(GuestState state) {
    this.state = state;
  }

  private int unknown(int handle) {
    return state.unknown("kv", "sequence", handle);
  }

  int newSequence(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    try {
      return state.handle(state.openSequence(model));
    } catch (AdmissionException e) {
      state.call().refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    }
  }

  int forkSequence(GuestMemory memory, int[] a) {
    GuestState.OpenSequence from = state.sequence(a[0]);
    if (from == null || from.isBusy()) {
      return from == null ? unknown(a[0]) : Errno.EBUSY;
    }
    try {
      return state.handle(new GuestState.OpenSequence(state, from.model, from.sequence.fork()));
    } catch (AdmissionException e) {
      state.call().refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    }
  }

  int sequenceLength(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    return sequence == null ? unknown(a[0]) : sequence.sequence.length();
  }

  int truncateSequence(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    if (sequence == null) {
      return unknown(a[0]);
    }
    if (sequence.isBusy()) {
      return Errno.EBUSY;
    }
    if (a[1] < 0 || a[1] > sequence.sequence.length()) {
      return state.wrong(
          Errno.EINVAL, "len: expected 0 to %d, found %d", sequence.sequence.length(), a[1]);
    }
    sequence.sequence.truncate(a[1]);
    sequence.sampled.truncated(a[1]);
    return 0;
  }

  int sequenceText(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    memory.check(a[2], a[3]);
    if (sequence == null) {
      return unknown(a[0]);
    }
    int vocabulary = sequence.model.host().tokenizer().vocabulary().size();
    if (a[1] < 0 || a[1] >= vocabulary) {
      return state.wrong(Errno.EINVAL, "token: expected 0 to %d, found %d", vocabulary - 1, a[1]);
    }
    String text = sequence.decoder.accept(a[1]);
    sequence.unfinishedIsEmitted = false;
    return memory.put(text.getBytes(StandardCharsets.UTF_8), a[2], a[3]);
  }

  int freeSequence(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    if (sequence == null) {
      return unknown(a[0]);
    }
    if (sequence.isBusy()) {
      return Errno.EBUSY;
    }
    // Bytes of a character that emitted tokens never completed; what the guest reads itself is its
    // own.
    if (sequence.unfinishedIsEmitted && !state.call().isCancelled()) {
      state.call().emit(sequence.decoder.finish());
    }
    if (state.handles().remove(a[0])) {
      sequence.close();
    }
    return 0;
  }

  /// `(kv, position, ptr, cap)`: logits of an output of the last step, which had the flag `LOGITS`; the
  /// capacity is in floats.
  int readLogits(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    memory.check(a[2], 4L * a[3]);
    if (sequence == null) {
      return unknown(a[0]);
    }
    if (sequence.isBusy()) {
      return Errno.EBUSY;
    }
    int vocabulary = sequence.model.host().engine().model().config().vocabularySize();
    if (logits.length < vocabulary) {
      logits = new float[vocabulary];
    }
    try {
      sequence.request.logits(a[1], logits, 0);
    } catch (IllegalStateException e) {
      return state.wrong(Errno.EINVAL, "kv: expected a last step with the flag LOGITS, found none");
    } catch (IllegalArgumentException e) {
      return noSuchOutput(sequence.request, a[1]);
    }
    memory.put(logits, a[2], Math.min(vocabulary, a[3]));
    return vocabulary;
  }

  private int noSuchOutput(StepRequest request, int output) {
    return request.state() == StepRequest.State.DONE && request.produced() > 0
        ? state.wrong(
            Errno.EINVAL, "output: expected 0 to %d, found %d", request.produced() - 1, output)
        : state.wrong(Errno.EINVAL, "kv: expected a last step that gave outputs, found none");
  }
}
