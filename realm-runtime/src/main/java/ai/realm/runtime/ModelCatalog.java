package ai.realm.runtime;

import ai.realm.compute.Adapter;
import ai.realm.engine.LoadedModel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Models and their adapters by name, each loaded once, when a guest first opens it, however many realms
/// use it.
final class ModelCatalog implements AutoCloseable {
  private final RuntimeConfig config;
  private final Map<String, ModelHost> loaded = new HashMap<>();
  private final Map<String, Adapter> adapters = new HashMap<>();
  private final SavedSequences saved;
  private final ReentrantLock lock = new ReentrantLock();
  private boolean closed;

  ModelCatalog(RuntimeConfig config) {
    this.config = config;
    this.saved = SavedSequences.open(config.savedSequences());
  }

  /// Sequences of these models that guests saved.
  SavedSequences saved() {
    return saved;
  }

  /// A model, and what is added to it under the name that was asked for.
  record Entry(ModelHost host, @Nullable Adapter adapter) {}

  /// The model of a name, or null when there is none.
  @Nullable Entry find(String name) {
    lock.lock();
    try {
      if (closed) {
        throw new IllegalStateException("the runtime is closed");
      }
      AdaptedModel adapted = config.adapted().get(name);
      ModelHost host = host(adapted == null ? name : adapted.base());
      if (host == null) {
        return null;
      }
      Adapter adapter = adapters.get(name);
      if (adapter == null && adapted != null) {
        adapter = host.loadAdapter(config.modelFiles().open(adapted.adapter()), adapted.strength());
        adapters.put(name, adapter);
      }
      return new Entry(host, adapter);
    } finally {
      lock.unlock();
    }
  }

  private @Nullable ModelHost host(String name) {
    ModelHost present = loaded.get(name);
    Path path = config.models().get(name);
    if (present == null && path != null) {
      present =
          ModelHost.start(
              LoadedModel.open(config.modelFiles().open(path), config.backend()), config);
      loaded.put(name, present);
    }
    return present;
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      loaded.values().forEach(ModelHost::close);
      loaded.clear();
      saved.close();
    } finally {
      lock.unlock();
    }
  }
}
