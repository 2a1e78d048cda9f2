package ai.realm.runtime;

import ai.realm.engine.LoadedModel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Models by name, each loaded once, when a guest first opens it, however many realms use it.
final class ModelCatalog implements AutoCloseable {
  private final RuntimeConfig config;
  private final Map<String, ModelHost> loaded = new HashMap<>();
  private final ReentrantLock lock = new ReentrantLock();
  private boolean closed;

  ModelCatalog(RuntimeConfig config) {
    this.config = config;
  }

  /// The model of a name, or null when there is none.
  @Nullable ModelHost find(String name) {
    lock.lock();
    try {
      if (closed) {
        throw new IllegalStateException("the runtime is closed");
      }
      ModelHost present = loaded.get(name);
      Path path = config.models().get(name);
      if (present == null && path != null) {
        present = ModelHost.start(LoadedModel.open(path, config.backend()), config);
        loaded.put(name, present);
      }
      return present;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      loaded.values().forEach(ModelHost::close);
      loaded.clear();
    } finally {
      lock.unlock();
    }
  }
}
