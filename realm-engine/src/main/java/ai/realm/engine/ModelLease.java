package ai.realm.engine;

import java.util.concurrent.atomic.AtomicBoolean;

/// The right to use a [LoadedModel] until it is closed.
public final class ModelLease implements AutoCloseable {
  private final LoadedModel model;
  private final AtomicBoolean ended = new AtomicBoolean();

  ModelLease(LoadedModel model) {
    this.model = model;
  }

  /// The model.
  ///
  /// @throws IllegalStateException when the lease has ended
  public LoadedModel model() {
    if (ended.get()) {
      throw new IllegalStateException("the model lease has ended");
    }
    return model;
  }

  /// Ends the lease; a second call does nothing.
  @Override
  public void close() {
    if (ended.compareAndSet(false, true)) {
      model.endLease();
    }
  }
}
