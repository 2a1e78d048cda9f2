package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.EngineException;
import ai.realm.engine.StepRequest;
import ai.realm.error.RealmException;
import ai.realm.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The host functions `step`, `step_submit` and `step_wait`: they read the guest's requests, let the
/// engine run them in one forward step and write the results back. The plain case, one request, allocates
/// nothing that lasts.
final class Steps {
  static final int MAX_REQUESTS = 64;

  private final GuestState state;
  private final List<StepRequest> submitted = new ArrayList<>();

  Steps(GuestState state) {
    this.state = state;
  }

  /// `(requests_ptr, n)`.
  int step(GuestMemory memory, int[] a) {
    @Nullable StepRow[] rows = new StepRow[Math.clamp(a[1], 0, MAX_REQUESTS)];
    int error = submit(memory, a[0], a[1], rows);
    if (error < 0) {
      return error;
    }
    return finish(memory, rows, state.call());
  }

  /// `(requests_ptr, n)` → a ticket.
  int submit(GuestMemory memory, int[] a) {
    @Nullable StepRow[] rows = new StepRow[Math.clamp(a[1], 0, MAX_REQUESTS)];
    Ticket ticket = new Ticket(rows);
    // Before the engine has the steps: without a ticket nobody could wait for them.
    int handle = state.handle(ticket);
    if (handle < 0) {
      return handle;
    }
    int error = submit(memory, a[0], a[1], rows);
    if (error < 0) {
      state.handles().remove(handle);
      return error;
    }
    ticket.hold();
    return handle;
  }

  /// `(ticket, timeout_ms)` → 0 when its steps are done, `EAGAIN` when not yet.
  int await(GuestMemory memory, int[] a) {
    Ticket ticket = state.handles().find(a[0], Ticket.class);
    if (ticket == null) {
      return state.unknown("ticket", "ticket", a[0]);
    }
    Call call = state.call();
    long started = System.nanoTime();
    long until = started + TimeUnit.MILLISECONDS.toNanos(Math.max(0, a[1]));
    try {
      while (!ticket.isDone()) {
        if (call.isCancelled() || Thread.currentThread().isInterrupted()) {
          return Errno.ECANCELED;
        }
        if (call.isPastDeadline()) {
          throw pastDeadline();
        }
        long now = System.nanoTime();
        if (now - until >= 0) {
          return Errno.EAGAIN;
        }
        ticket.await(now + Math.min(until - now, call.deadlineNanos() - now));
      }
    } finally {
      call.countWait(System.nanoTime() - started);
    }
    state.handles().remove(a[0]);
    ticket.release();
    return finish(memory, ticket.rows(), call);
  }

  private int submit(GuestMemory memory, int pointer, int count, @Nullable StepRow[] rows) {
    Call call = state.call();
    if (count < 1 || count > MAX_REQUESTS) {
      return call.wrong(Errno.EINVAL, "n: expected 1 to %d, found %d", MAX_REQUESTS, count);
    }
    memory.check(pointer, (long) StepRow.BYTES * count);
    int late = checkTime(call);
    if (late < 0) {
      return late;
    }
    submitted.clear();
    ModelHost host = null;
    for (int i = 0; i < count; i++) {
      int at = pointer + StepRow.BYTES * i;
      int handle = memory.getInt(at);
      GuestState.OpenSequence sequence = state.sequence(handle);
      if (sequence == null) {
        return call.wrong(
            Errno.EBADF,
            "requests[%d].kv: expected the handle of an open sequence, found %d",
            i,
            handle);
      }
      StepRow row = new StepRow(i, sequence, handle, memory, at);
      int error = row.prepare(memory, state);
      if (error < 0) {
        return error;
      }
      int user = row.matcher == 0 ? -1 : user(rows, i, row.matcher);
      if (user >= 0) {
        return call.wrong(
            Errno.EINVAL,
            "requests[%d].matcher: expected one of its own, found that of requests[%d]",
            i,
            user);
      }
      host = row.sequence.model.host();
      rows[i] = row;
      submitted.add(row.sequence.request);
    }
    ModelHost last = Objects.requireNonNull(host);
    for (int i = 0; i < count; i++) {
      StepRow row = rows[i];
      if (row != null && row.sequence.model.host() != last) {
        return call.wrong(
            Errno.EINVAL,
            "requests[%d].kv: expected a sequence of the model of requests[%d], found one of another",
            i,
            count - 1);
      }
    }
    return admit(last, rows, call);
  }

  /// 0, or `ECANCELED` when the caller has given up.
  ///
  /// @throws GuestTrapException when the call's time is over
  static int checkTime(Call call) {
    if (call.isPastDeadline()) {
      throw pastDeadline();
    }
    return call.isCancelled() ? Errno.ECANCELED : 0;
  }

  /// Which of the first rows has the matcher, or -1: it can follow one output only.
  private static int user(@Nullable StepRow[] rows, int count, int matcher) {
    for (int i = 0; i < count; i++) {
      StepRow row = rows[i];
      if (row != null && row.matcher == matcher) {
        return i;
      }
    }
    return -1;
  }

  private int admit(ModelHost host, @Nullable StepRow[] rows, Call call) {
    for (int i = 0; i < rows.length; i++) {
      StepRow row = rows[i];
      if (row != null && !call.admitStep(row.prompt(), row.outputs())) {
        giveBack(rows, i, call);
        return Errno.EDQUOT;
      }
    }
    try {
      host.engine().submit(submitted);
    } catch (AdmissionException e) {
      giveBack(rows, rows.length, call);
      int error = HostFunctions.errno(e);
      call.refuse(error, e);
      return error;
    } catch (IllegalArgumentException e) {
      giveBack(rows, rows.length, call);
      return wrong(rows, host.engine().model().config(), call);
    }
    for (StepRow row : rows) {
      if (row != null) {
        row.submitted(call);
      }
    }
    return 0;
  }

  /// What of the requests the engine did not take.
  private static int wrong(@Nullable StepRow[] rows, ModelConfig model, Call call) {
    for (int i = 0; i < rows.length; i++) {
      for (int j = 0; j < i; j++) {
        if (Objects.requireNonNull(rows[i]).sequence == Objects.requireNonNull(rows[j]).sequence) {
          return call.wrong(
              Errno.EINVAL,
              "requests[%d].kv: expected a sequence of its own, found that of requests[%d]",
              i,
              j);
        }
      }
    }
    if (!model.generates()) {
      return call.wrong(
          Errno.EINVAL,
          "requests[0].kv: expected a sequence of a model that generates, found one of a model that only embeds");
    }
    int vocabulary = model.vocabularySize();
    for (int i = 0; i < rows.length; i++) {
      StepRow row = Objects.requireNonNull(rows[i]);
      int at = unknownToken(row.sequence.tokens, row.count, vocabulary);
      if (at >= 0) {
        return call.wrong(
            Errno.EINVAL,
            "requests[%d].tokens_ptr[%d]: expected 0 to %d, found %d",
            i,
            at,
            vocabulary - 1,
            row.sequence.tokens[at]);
      }
    }
    return Errno.EINVAL;
  }

  /// Where the first token is that the vocabulary does not have, or -1.
  static int unknownToken(int[] tokens, int count, int vocabulary) {
    for (int i = 0; i < count; i++) {
      if (tokens[i] < 0 || tokens[i] >= vocabulary) {
        return i;
      }
    }
    return -1;
  }

  /// Gives back what the first rows took of the tenant's quota.
  private static void giveBack(@Nullable StepRow[] rows, int count, Call call) {
    for (int i = 0; i < count; i++) {
      StepRow row = rows[i];
      if (row != null) {
        call.returnStep(row.prompt(), row.outputs());
      }
    }
  }

  /// Waits for one request, so that none is left in flight; the time counts as the engine's.
  static int await(StepRequest request, Call call) {
    long started = System.nanoTime();
    // Who sleeps uses none; to ask for it costs as much as all else that a guest does for a token.
    boolean spins = request.isSpinning();
    long cpuBefore = spins ? Call.threadCpuNanos() : 0;
    try {
      request.await(call.deadlineNanos());
      return 0;
    } catch (EngineException e) {
      if (e.code().equals("DEADLINE")) {
        throw pastDeadline();
      }
      return HostFunctions.errno(e);
    } catch (AdmissionException e) {
      // Admitted, but since then so much was published that it can never run.
      int error = HostFunctions.errno(e);
      call.refuse(error, e);
      return error;
    } catch (InterruptedException e) {
      // Whoever stops the guest interrupts it once: the flag must reach the guest's next
      // instruction.
      Thread.currentThread().interrupt();
      return Errno.ECANCELED;
    } finally {
      call.countWait(System.nanoTime() - started);
      if (spins) {
        call.excuseSince(cpuBefore);
      }
    }
  }

  private static GuestTrapException pastDeadline() {
    return new GuestTrapException("GUEST_DEADLINE", "guest: its time for the call is over");
  }

  /// Waits until every step has ended, counts them and, where none failed, writes their results.
  private static int finish(GuestMemory memory, @Nullable StepRow[] rows, Call call) {
    int error = 0;
    RealmException failure = null;
    for (StepRow row : rows) {
      if (row == null) {
        continue;
      }
      try {
        int failed = await(row.sequence.request, call);
        error = error < 0 ? error : failed;
      } catch (RealmException e) {
        failure = failure == null ? e : failure;
      }
      row.ended(call);
    }
    if (failure != null) {
      throw failure;
    }
    if (error == 0) {
      for (StepRow row : rows) {
        if (row != null) {
          row.write(memory, call);
        }
      }
    }
    return error;
  }

  /// Steps that the guest has not waited for. Their sequences are its own, so that no other step takes the
  /// place of their results.
  record Ticket(@Nullable StepRow[] rows) implements AutoCloseable {
    void hold() {
      mark(true);
    }

    void release() {
      mark(false);
    }

    private void mark(boolean held) {
      for (StepRow row : rows) {
        if (row != null) {
          row.sequence.ticketed = held;
        }
      }
    }

    boolean isDone() {
      for (StepRow row : rows) {
        if (row != null && row.sequence.request.state() == StepRequest.State.QUEUED) {
          return false;
        }
      }
      return true;
    }

    /// Waits until all have ended or that is past, or for an interrupt.
    void await(long untilNanos) {
      for (StepRow row : rows) {
        if (row != null && !row.sequence.request.awaitUntil(untilNanos)) {
          return;
        }
      }
    }

    /// Gives the steps up.
    @Override
    public void close() {
      for (StepRow row : rows) {
        if (row != null) {
          row.sequence.request.cancel();
        }
      }
      release();
    }
  }
}
