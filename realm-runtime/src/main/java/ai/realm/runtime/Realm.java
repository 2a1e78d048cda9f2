package ai.realm.runtime;

import ai.realm.engine.EngineTenant;
import ai.realm.engine.Sequence;
import ai.realm.engine.StepRequest;
import ai.realm.engine.TenantShare;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.tokenizer.StreamingDecoder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What one tenant's guest has open, and its call in progress. Used by the realm's guest thread.
final class Realm implements AutoCloseable {
  /// An open model.
  record OpenModel(ModelHost host, EngineTenant tenant) implements AutoCloseable {
    @Override
    public void close() {}
  }

  /// An open sequence with what its steps reuse.
  static final class OpenSequence implements AutoCloseable {
    final OpenModel model;
    final Sequence sequence;
    final StepRequest request = new StepRequest();
    final StreamingDecoder decoder;
    int[] tokens = new int[1];

    /// The sampling fields of the step at hand, as the guest's memory has them.
    final int[] sampling = new int[Steps.SAMPLING_FIELDS];

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

    @Override
    public void close() {
      sequence.close();
    }
  }

  private final String name;
  private final Function<String, @Nullable ModelHost> models;
  private final Map<ModelHost, EngineTenant> tenants = new HashMap<>();
  private final HandleTable handles;
  private @Nullable Call call;

  /// @param models gives the model of a name, loading it on first use, or null
  Realm(String name, GuestLimits limits, Function<String, @Nullable ModelHost> models) {
    this.name = name;
    this.models = models;
    this.handles = new HandleTable(limits.maxHandles());
  }

  String name() {
    return name;
  }

  HandleTable handles() {
    return handles;
  }

  /// Opens a model, or returns null when there is none of that name.
  @Nullable OpenModel openModel(String modelName) {
    ModelHost host = models.apply(modelName);
    if (host == null) {
      return null;
    }
    EngineTenant tenant =
        tenants.computeIfAbsent(host, h -> h.engine().tenant(name, TenantShare.UNBOUNDED));
    return new OpenModel(host, tenant);
  }

  OpenSequence openSequence(OpenModel model) {
    return new OpenSequence(model, model.host().engine().newSequence(model.tenant()));
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

  /// Closes sequences that a trapped guest left open; its handles die with it.
  void closeHandles() {
    handles.drain(object -> {
      if (object instanceof OpenSequence sequence) {
        sequence.close();
      }
    });
  }

  @Override
  public void close() {
    closeHandles();
    tenants.forEach((host, tenant) -> host.engine().remove(tenant));
    tenants.clear();
  }
}
