package ai.realm.runtime;

import ai.realm.compute.Adapter;
import ai.realm.engine.EngineException;
import ai.realm.engine.LoadedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Models and their adapters by name, each loaded once, when a guest first opens it, however many realms
/// use it. Each is loaded by a thread of its own: who waits for one does so until a deadline or an
/// interrupt, and who wants another does not wait.
final class ModelCatalog implements AutoCloseable {
  /// How long closing waits for what is still being loaded.
  private static final long CLOSE_SECONDS = 60;

  /// Reads a model and starts what runs it.
  @FunctionalInterface
  interface Loader {
    ModelHost load(Path path);
  }

  private final RuntimeConfig config;
  private final Loader loader;
  private final Map<String, FutureTask<ModelHost>> models = new HashMap<>();
  private final Map<String, FutureTask<Adapter>> adapters = new HashMap<>();
  private final List<ModelHost> loaded = new ArrayList<>();
  private final SavedSequences saved;
  private final ReentrantLock lock = new ReentrantLock();
  private int loads;
  private boolean closed;

  ModelCatalog(RuntimeConfig config) {
    this(
        config,
        path ->
            ModelHost.start(
                LoadedModel.open(config.modelFiles().open(path), config.backend()), config));
  }

  ModelCatalog(RuntimeConfig config, Loader loader) {
    this.config = config;
    this.loader = loader;
    this.saved = SavedSequences.open(config.savedSequences());
  }

  /// Sequences of these models that guests saved.
  SavedSequences saved() {
    return saved;
  }

  /// A model, and what is added to it under the name that was asked for.
  record Entry(ModelHost host, @Nullable Adapter adapter) {}

  /// Whether there is a model of that name, loaded or not.
  boolean has(String name) {
    AdaptedModel adapted = config.adapted().get(name);
    return config.models().containsKey(adapted == null ? name : adapted.base());
  }

  /// All names, in their order.
  Set<String> names() {
    Set<String> names = new TreeSet<>(config.models().keySet());
    names.addAll(config.adapted().keySet());
    return names;
  }

  /// The model of a name, or null when there is none.
  ///
  /// @param deadlineNanos until when to wait while it is loaded, by [System#nanoTime]
  /// @throws EngineException `ENGINE_CLOSED` after [#close]
  @Nullable Entry find(String name, long deadlineNanos)
      throws InterruptedException, TimeoutException {
    AdaptedModel adapted = config.adapted().get(name);
    String base = adapted == null ? name : adapted.base();
    Path path = config.models().get(base);
    if (path == null) {
      checkOpen();
      return null;
    }
    ModelHost host = await(models, base, () -> load(path), deadlineNanos);
    Adapter adapter =
        adapted == null
            ? null
            : await(
                adapters,
                name,
                () ->
                    host.loadAdapter(
                        config.modelFiles().open(adapted.adapter()), adapted.strength()),
                deadlineNanos);
    return new Entry(host, adapter);
  }

  private void checkOpen() {
    lock.lock();
    try {
      if (closed) {
        throw closed();
      }
    } finally {
      lock.unlock();
    }
  }

  private <T> T await(
      Map<String, FutureTask<T>> tasks, String name, Callable<T> load, long deadlineNanos)
      throws InterruptedException, TimeoutException {
    FutureTask<T> task;
    lock.lock();
    try {
      checkOpen();
      task = tasks.get(name);
      if (task == null) {
        task = new FutureTask<>(load);
        Thread thread = new Thread(task, "realm-loads-" + name);
        thread.setDaemon(true);
        thread.start();
        tasks.put(name, task);
      }
    } finally {
      lock.unlock();
    }
    try {
      return task.get(deadlineNanos - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      // The next to want it tries again.
      forget(tasks, name, task);
      throw failure(e);
    }
  }

  private <T> void forget(Map<String, FutureTask<T>> tasks, String name, FutureTask<T> failed) {
    lock.lock();
    try {
      tasks.remove(name, failed);
    } finally {
      lock.unlock();
    }
  }

  private static RuntimeException failure(ExecutionException e) {
    return switch (e.getCause()) {
      case RuntimeException failure -> failure;
      case Error failure -> throw failure;
      case null, default -> new IllegalStateException("loading a model failed", e.getCause());
    };
  }

  private ModelHost load(Path path) {
    ModelHost host = loader.load(path);
    lock.lock();
    try {
      if (!closed) {
        loads++;
        loaded.add(host);
        return host;
      }
    } finally {
      lock.unlock();
    }
    host.close();
    throw closed();
  }

  private static EngineException closed() {
    return new EngineException("ENGINE_CLOSED", "the runtime is closed");
  }

  /// How many models were loaded so far.
  int loads() {
    lock.lock();
    try {
      return loads;
    } finally {
      lock.unlock();
    }
  }

  /// Waits for what is being loaded: it reads with the backend, which whoever closes this closes next.
  @Override
  public void close() {
    List<FutureTask<?>> tasks = new ArrayList<>();
    List<ModelHost> ending;
    lock.lock();
    try {
      closed = true;
      tasks.addAll(adapters.values());
      tasks.addAll(models.values());
      ending = List.copyOf(loaded);
      loaded.clear();
    } finally {
      lock.unlock();
    }
    long giveUp = System.nanoTime() + TimeUnit.SECONDS.toNanos(CLOSE_SECONDS);
    tasks.forEach(task -> awaitEnd(task, giveUp));
    ending.forEach(ModelHost::close);
    saved.close();
  }

  private static void awaitEnd(FutureTask<?> task, long giveUp) {
    try {
      task.get(giveUp - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException | TimeoutException e) {
      // Whoever wanted it was told.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
