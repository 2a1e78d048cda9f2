package ai.realm.runtime;

import ai.realm.compute.Adapter;
import ai.realm.engine.EngineTenant;
import ai.realm.engine.Sequence;
import ai.realm.engine.StepRequest;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.tokenizer.StreamingDecoder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// What one running guest has open, and its call in progress. Used by the guest's thread.
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
    int[] tokens = new int[1];

    /// The sampling fields of the step at hand, as the guest's memory has them.
    final int[] sampling = new int[StepRow.SAMPLING_FIELDS];

    /// The most bytes of the host's heap that a step of it took: they are kept for the next one.
    private long stepBytes;

    private int[] samplerFields = new int[0];
    private @Nullable Sampler sampler;

    OpenSequence(OpenModel model, Sequence sequence) {
      this.model = model;
      this.sequence = sequence;
      this.decoder = model.host().tokenizer().decoder();
    }

    /// The sampler of the step before, when the fields are the same: its random sequence goes on.
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

    /// Whether a step of [Steps#submit] owns the sequence.
    boolean isBusy() {
      return request.state() == StepRequest.State.QUEUED;
    }

    @Override
    public void close() {
      sequence.close();
    }
  }

  private final Realm realm;
  private final HandleTable handles;
  private @Nullable Call call;

  GuestState(Realm realm) {
    this.realm = realm;
    this.handles = new HandleTable(realm.limits().guest().maxHandles(), realm.hostMemory());
  }

  Realm realm() {
    return realm;
  }

  HandleTable handles() {
    return handles;
  }

  /// A handle of a new object, or `EDQUOT`: then the object is still the caller's.
  int handle(AutoCloseable object) {
    int handle = handles.add(object);
    return handle != 0 ? handle : handles.isFull() ? Errno.EDQUOT : memoryUsedUp();
  }

  /// Charges what an object has grown since; 0 or `EDQUOT`.
  int settle(int handle) {
    return handles.settle(handle) ? 0 : memoryUsedUp();
  }

  /// `EDQUOT`, with the reason for the caller.
  int memoryUsedUp() {
    call().refuse(Errno.EDQUOT, realm.hostMemory().refusal());
    return Errno.EDQUOT;
  }

  @Nullable OpenModel model(int handle) {
    return handles.find(handle, OpenModel.class);
  }

  @Nullable OpenSequence sequence(int handle) {
    return handles.find(handle, OpenSequence.class);
  }

  /// Opens a model, or returns null when there is none of that name.
  @Nullable OpenModel openModel(String modelName) {
    ModelCatalog.Entry entry = realm.models().find(modelName);
    return entry == null
        ? null
        : new OpenModel(entry.host(), realm.engineTenant(entry.host()), entry.adapter());
  }

  OpenSequence openSequence(OpenModel model) {
    return new OpenSequence(
        model, model.host().engine().newSequence(model.tenant(), model.adapter()));
  }

  void begin(Call next) {
    call = next;
  }

  /// The call in progress.
  Call call() {
    Call present = call;
    if (present == null) {
      throw new IllegalStateException("no call is in progress");
    }
    return present;
  }

  void end() {
    call = null;
  }

  /// Ends steps in flight and closes sequences that a trapped guest left open; its handles die with it.
  @Override
  public void close() {
    handles.drain(GuestState::closeQuietly);
  }

  private static void closeQuietly(AutoCloseable object) {
    switch (object) {
      case Steps.Ticket ticket -> ticket.close();
      case HeldObject held -> held.close();
      default -> {}
    }
  }
}
