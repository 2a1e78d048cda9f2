package ai.realm.runtime;

import ai.realm.engine.LoadedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Runs one realm's guest over models on this machine.
///
/// ```
/// runtime.loadWasm(bytes);
/// long model = runtime.callFunction("load_model", "sample", "{}").value();
/// String answer = runtime.callFunction("generate", model, "Hello", "{}").text();
/// ```
/// There is no generate here: the guest drives it, one step per token, through [HostFunctions]. Calls
/// are made one at a time; [#cancel] may come from any thread.
public final class RealmRuntime implements AutoCloseable {
  private static final String NAME = "default";

  private final RuntimeConfig config;
  private final GuestEngine guests = new EndiveGuestEngine();
  private final Memory64Manager memory64;
  private final Realm realm;
  private final HostFunctions hostFunctions;
  private final GuestThread thread;
  private final Map<String, ModelHost> models = new HashMap<>();
  private final ReentrantLock lock = new ReentrantLock();
  private GuestEngine.@Nullable Module module;
  private GuestEngine.@Nullable Instance instance;
  private volatile @Nullable Call current;

  /// Prepares a runtime; models are loaded when a guest first opens them.
  public RealmRuntime(RuntimeConfig config) {
    this.config = config;
    this.memory64 =
        new Memory64Manager(
            Path.of(System.getProperty("java.io.tmpdir")),
            config.memory64Bytes(),
            16 * config.memory64Bytes());
    this.realm = new Realm(NAME, config.limits(), this::model);
    this.hostFunctions = new HostFunctions(realm, memory64);
    this.thread = new GuestThread("realm-guest", config.limits().stackBytes());
  }

  /// Takes a WebAssembly module as the guest, in place of the one before; handles of that one end.
  ///
  /// @throws GuestFormatException when it cannot be a guest
  public void loadWasm(byte[] wasm) {
    lock.lock();
    try {
      GuestEngine.Module loaded = guests.load(wasm, config.limits());
      realm.closeHandles();
      instance = null;
      module = loaded;
    } finally {
      lock.unlock();
    }
  }

  /// Calls an exported function of the guest.
  ///
  /// @param arguments numbers become its parameters, in order; texts are what `arg_read` gives, by
  ///     their index among all arguments
  /// @throws GuestTrapException when the guest traps, or exceeds a limit
  /// @throws GuestFormatException when it exports no such function
  public CallResult callFunction(String name, Object... arguments) {
    return callFunction(name, GuestOutput.discard(), arguments);
  }

  /// The same, with what the guest emits handed over as it comes.
  public CallResult callFunction(String name, GuestOutput output, Object... arguments) {
    lock.lock();
    Call call = new Call(List.of(arguments), output, config.limits().deadline().toNanos());
    try {
      current = call;
      realm.begin(call);
      return call.result(thread.run(() -> invoke(name, arguments), call.deadlineNanos()));
    } catch (GuestFormatException e) {
      // The guest did not run.
      throw e;
    } catch (RuntimeException | Error e) {
      // What the guest left half done must not meet the next call.
      instance = null;
      realm.closeHandles();
      throw e;
    } finally {
      realm.end();
      current = null;
      lock.unlock();
    }
  }

  private long invoke(String name, Object... arguments) {
    GuestEngine.Instance guest = instance();
    int parameters = guest.parameters(name);
    if (parameters < 0) {
      throw new GuestFormatException("guest: exports no function " + name);
    }
    List<Long> numbers = new ArrayList<>();
    for (Object argument : arguments) {
      if (argument instanceof Number number) {
        numbers.add(number.longValue() & 0xffff_ffffL);
      }
    }
    if (numbers.size() != parameters) {
      throw new GuestFormatException(
          "guest function %s: expected %d numbers, found %d"
              .formatted(name, parameters, numbers.size()));
    }
    return guest.call(name, numbers.stream().mapToLong(Long::longValue).toArray());
  }

  private GuestEngine.Instance instance() {
    GuestEngine.Instance present = instance;
    if (present == null) {
      GuestEngine.Module loaded = module;
      if (loaded == null) {
        throw new IllegalStateException("no guest: call loadWasm first");
      }
      present = loaded.instantiate(hostFunctions, config.limits());
      instance = present;
    }
    return present;
  }

  /// Ends the call in progress within one step: the guest's next host function answers `ECANCELED`.
  /// Without one nothing happens.
  public void cancel() {
    Call running = current;
    if (running != null) {
      running.cancel();
    }
  }

  /// What a negative result of the default guest's functions means.
  public static String describe(long result) {
    return Errno.describe(result);
  }

  /// Host memory of the guests' private layers.
  public Memory64Manager memory64() {
    return memory64;
  }

  /// Loads the model of a name, once. Called by the guest's thread.
  private @Nullable ModelHost model(String name) {
    ModelHost present = models.get(name);
    Path path = config.models().get(name);
    if (present == null && path != null) {
      present = ModelHost.start(LoadedModel.open(path, config.backend()), config);
      models.put(name, present);
    }
    return present;
  }

  @Override
  public void close() {
    cancel();
    lock.lock();
    try {
      realm.close();
      models.values().forEach(ModelHost::close);
      models.clear();
      thread.close();
      memory64.close();
    } finally {
      lock.unlock();
    }
  }
}
