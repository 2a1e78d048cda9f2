package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import java.nio.charset.StandardCharsets;

/// Host functions on sequences: their tokens, their text, the logits of their last step.
final class SequenceFunctions {
  private final GuestState state;
  private float[] logits = new float[0];

  SequenceFunctions(GuestState state) {
    this.state = state;
  }

  int newSequence(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return Errno.EBADF;
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
      return from == null ? Errno.EBADF : Errno.EBUSY;
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
    return sequence == null ? Errno.EBADF : sequence.sequence.length();
  }

  int truncateSequence(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    if (sequence == null) {
      return Errno.EBADF;
    }
    if (sequence.isBusy()) {
      return Errno.EBUSY;
    }
    if (a[1] < 0 || a[1] > sequence.sequence.length()) {
      return Errno.EINVAL;
    }
    sequence.sequence.truncate(a[1]);
    sequence.sampled.truncated(a[1]);
    return 0;
  }

  int sequenceText(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    memory.check(a[2], a[3]);
    if (sequence == null) {
      return Errno.EBADF;
    }
    if (a[1] < 0 || a[1] >= sequence.model.host().tokenizer().vocabulary().size()) {
      return Errno.EINVAL;
    }
    String text = sequence.decoder.accept(a[1]);
    sequence.unfinishedIsEmitted = false;
    return memory.put(text.getBytes(StandardCharsets.UTF_8), a[2], a[3]);
  }

  int freeSequence(GuestMemory memory, int[] a) {
    GuestState.OpenSequence sequence = state.sequence(a[0]);
    if (sequence == null) {
      return Errno.EBADF;
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
      return Errno.EBADF;
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
    } catch (IllegalStateException | IllegalArgumentException e) {
      return Errno.EINVAL;
    }
    memory.put(logits, a[2], Math.min(vocabulary, a[3]));
    return vocabulary;
  }
}
