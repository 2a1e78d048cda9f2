package ai.realm.runtime;

import ai.realm.compute.Adapter;
import ai.realm.engine.EngineTenant;
import ai.realm.engine.Sequence;
import ai.realm.engine.StepRequest;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.tokenizer.StreamingDecoder;
import java.util.Arrays;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// What one instance of a guest has open, and its call in progress. Used by the guest's thread.
final class GuestState implements AutoCloseable {
  /// An open model.
  record OpenModel(ModelHost host, EngineTenant tenant, @Nullable Adapter adapter)
      implements AutoCloseable {
    @Override
    public void close() {}
  }

  /// An open sequence with what its steps reuse.
  static final class OpenSequence implements HeldObject {
    final OpenModel model;
    final Sequence sequence;
    final StepRequest request = new StepRequest();
    final StreamingDecoder decoder;
    final KeptLogits logits;
    final SampledTokens sampled = new SampledTokens();
    int[] tokens = new int[1];

    /// Whether a ticket has its step, which nobody has waited for.
    boolean ticketed;

    /// Whether what waits in the decoder came of a step with `EMIT`, not of `kv_text`.
    boolean unfinishedIsEmitted;

    /// The sampling fields of the step at hand, as the guest's memory has them.
    final int[] sampling = new int[StepRow.SAMPLING_FIELDS];

    /// The most bytes of the host's heap that a step of it took: they are kept for the next one.
    private long stepBytes;

    private int[] samplerFields = new int[0];
    private @Nullable Sampler sampler;

    OpenSequence(GuestState state, OpenModel model, Sequence sequence) {
      this.model = model;
      this.sequence = sequence;
      this.logits = new KeptLogits(state);
      this.decoder = model.host().tokenizer().decoder();
    }

    /// The sampler of the step before, when the fields are the same.
    @Nullable Sampler sampler() {
      return Arrays.equals(sampling, samplerFields) ? sampler : null;
    }

    /// A new sampler for the fields of the step at hand.
    Sampler use(SamplingParams params) {
      Sampler fresh = Sampler.of(params);
      sampler = fresh;
      samplerFields = sampling.clone();
      return fresh;
    }

    /// Charges what a step of it takes; 0 or `EDQUOT`.
    int charge(int handle, long bytes, GuestState state) {
      long before = stepBytes;
      if (bytes <= before) {
        return 0;
      }
      stepBytes = bytes;
      int charged = state.settle(handle);
      stepBytes = charged < 0 ? before : bytes;
      return charged;
    }

    @Override
    public long heldBytes() {
      return stepBytes;
    }

    /// Whether a step of [Steps#submit] owns the sequence: until it has ended and was waited for.
    boolean isBusy() {
      return ticketed || request.state() == StepRequest.State.QUEUED;
    }

    @Override
    public void close() {
      sequence.close();
      logits.close();
      if (request.state() != StepRequest.State.QUEUED) {
        // What still knows the request must not keep the logits.
        request.keepLogits(null);
      }
    }
  }

  private final Realm realm;
  private final MemoryBudget memory;
  private final HostMemory hostMemory;
  private final int maxHandles;
  private final HandleTable handles;
  private final MemoryBudget logits;
  private volatile @Nullable Call call;
  private volatile boolean abandoned;

  GuestState(Realm realm) {
    this.realm = realm;
    GuestLimits limits = realm.limits().guest();
    this.maxHandles = limits.maxHandles();
    this.memory = realm.memory().begun();
    this.hostMemory = realm.hostMemory().begun();
    this.handles = new HandleTable(maxHandles, hostMemory);
    this.logits = new MemoryBudget(limits.maxMemoryBytes());
  }

  Realm realm() {
    return realm;
  }

  /// Linear memory of the realm as this instance has it: with the limit when it was made, where that was
  /// lowered since.
  MemoryBudget memory() {
    return memory;
  }

  /// Bytes by which the instance's memory may grow, by its own bound and by the realm's.
  long memoryLeft(long size) {
    return Math.min(memory.limit() - memory.used(), logits.limit() - size);
  }

  /// The same of the host's memory.
  HostMemory hostMemory() {
    return hostMemory;
  }

  HandleTable handles() {
    return handles;
  }

  /// Bytes of logits that its sequences keep together: as many as its linear memory may have.
  MemoryBudget logits() {
    return logits;
  }

  /// A handle of a new object, or `EDQUOT`: then the object is closed, as where this throws.
  int handle(AutoCloseable object) {
    int handle = handles.add(object);
    if (handle != 0) {
      return handle;
    }
    try {
      return handles.isFull()
          ? call().exceeded("HANDLE_LIMIT", "at most " + maxHandles + " handles of a running guest")
          : memoryUsedUp();
    } finally {
      closeQuietly(object);
    }
  }

  /// Charges what an object has grown since; 0 or `EDQUOT`.
  int settle(int handle) {
    return handles.settle(handle) ? 0 : memoryUsedUp();
  }

  /// `EDQUOT`, with the reason for the caller.
  int memoryUsedUp() {
    call().refuse(Errno.EDQUOT, hostMemory.refusal());
    return Errno.EDQUOT;
  }

  /// `EBADF`: an argument is no handle of what it should be.
  int unknown(String argument, String kind, int found) {
    return wrong(
        Errno.EBADF, "%s: expected the handle of an open %s, found %d", argument, kind, found);
  }

  /// Ends what a handle stands for; 0 or `EBADF`.
  int free(int handle, Class<? extends HeldObject> type, String kind) {
    HeldObject object = handles.find(handle, type);
    if (object == null) {
      return unknown(kind, kind, handle);
    }
    if (handles.remove(handle)) {
      closeQuietly(object);
    }
    return 0;
  }

  /// See [Call#wrong].
  int wrong(int errno, String format, Object... values) {
    return call().wrong(errno, format, values);
  }

  @Nullable OpenModel model(int handle) {
    return handles.find(handle, OpenModel.class);
  }

  @Nullable OpenSequence sequence(int handle) {
    return handles.find(handle, OpenSequence.class);
  }

  /// Opens a model, or returns null when there is none of that name. Waits while it is loaded, at most
  /// until the call's deadline.
  @Nullable OpenModel openModel(String modelName) {
    ModelCatalog.Entry entry;
    try {
      entry = realm.models().find(modelName, call().deadlineNanos());
    } catch (TimeoutException e) {
      throw new GuestTrapException("GUEST_DEADLINE", "guest: a model was not loaded in time", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GuestTrapException(
          "GUEST_CANCELLED", "guest: interrupted while a model was loaded", e);
    }
    return entry == null
        ? null
        : new OpenModel(entry.host(), realm.engineTenant(entry.host()), entry.adapter());
  }

  OpenSequence openSequence(OpenModel model) {
    return new OpenSequence(
        this, model, model.host().engine().newSequence(model.tenant(), model.adapter()));
  }

  void begin(Call next) {
    call = next;
  }

  /// The call in progress.
  ///
  /// @throws GuestTrapException `GUEST_CANCELLED` after [#abandon]
  Call call() {
    if (abandoned) {
      throw new GuestTrapException("GUEST_CANCELLED", "guest: it was ended during the call");
    }
    Call present = call;
    if (present == null) {
      throw new IllegalStateException("no call is in progress");
    }
    return present;
  }

  /// Whether what it has open was closed under it: see [#abandon].
  boolean isAbandoned() {
    return abandoned;
  }

  void end() {
    call = null;
  }

  /// Ends steps in flight and closes sequences that a trapped guest left open; its handles die with it.
  @Override
  public void close() {
    handles.drain(GuestState::closeQuietly);
  }

  /// The same for good: what the guest's thread opens from now on is refused and closed. May come from any
  /// thread.
  void abandon() {
    abandoned = true;
    handles.close(GuestState::closeQuietly);
  }

  private static void closeQuietly(AutoCloseable object) {
    switch (object) {
      case Steps.Ticket ticket -> ticket.close();
      case HeldObject held -> held.close();
      default -> {}
    }
  }
}
