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
  static final class OpenSequence implements AutoCloseable {
    final OpenModel model;
    final Sequence sequence;
    final StepRequest request = new StepRequest();
    final StreamingDecoder decoder;
    final KeptLogits logits;
    final SampledTokens sampled = new SampledTokens();
    int[] tokens = new int[1];

    /// Whether a ticket has its step, which nobody has waited for.
    boolean ticketed;

    /// The sampling fields of the step at hand, as the guest's memory has them.
    final int[] sampling = new int[StepRow.SAMPLING_FIELDS];

    private int[] samplerFields = new int[0];
    private @Nullable Sampler sampler;

    OpenSequence(GuestState state, OpenModel model, Sequence sequence) {
      this.model = model;
      this.sequence = sequence;
      this.logits = new KeptLogits(state);
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
  private final HandleTable handles;
  private final MemoryBudget logits;
  private @Nullable Call call;

  GuestState(Realm realm) {
    this.realm = realm;
    this.handles = new HandleTable(realm.limits().guest().maxHandles());
    this.logits = new MemoryBudget(realm.limits().guest().maxMemoryBytes());
  }

  Realm realm() {
    return realm;
  }

  HandleTable handles() {
    return handles;
  }

  /// Bytes of logits that its sequences keep together: as many as its linear memory may have.
  MemoryBudget logits() {
    return logits;
  }

  /// A handle of a new object, or `EDQUOT`.
  int handle(AutoCloseable object) {
    int handle = handles.add(object);
    return handle == 0
        ? call()
            .exceeded(
                "HANDLE_LIMIT",
                "at most " + realm.limits().guest().maxHandles() + " handles of a running guest")
        : handle;
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
        this, model, model.host().engine().newSequence(model.tenant(), model.adapter()));
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
      case OpenSequence sequence -> sequence.close();
      case Steps.Ticket ticket -> ticket.close();
      case CallFunctions.Blob blob -> blob.close();
      default -> {}
    }
  }
}
