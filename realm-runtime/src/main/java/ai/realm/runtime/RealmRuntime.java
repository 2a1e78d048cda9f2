package ai.realm.runtime;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
/// are made one at a time; [#cancel] may come from any thread. [MultiRealmManager] runs many.
public final class RealmRuntime implements AutoCloseable {
  private static final TenantId TENANT = new TenantId("default");

  private final Workers workers = new Workers();
  private final GuestEngine guests;
  private final Memory64Manager memory64;
  private final ModelCatalog models;
  private final Realm realm;
  private final ReentrantLock lock = new ReentrantLock();
  private volatile @Nullable GuestSession session;

  /// Prepares a runtime; models are loaded when a guest first opens them.
  public RealmRuntime(RuntimeConfig config) {
    this(config, ResourceLimits.unbounded(config.limits()), GuestTools.NONE);
  }

  /// The same with bounds on rates and on what is shared between calls, and with tools.
  public RealmRuntime(RuntimeConfig config, ResourceLimits limits, GuestTools tools) {
    this(config, limits, tools, Isolation.inProcess());
  }

  /// The same with its guest elsewhere.
  public RealmRuntime(
      RuntimeConfig config, ResourceLimits limits, GuestTools tools, Isolation isolation) {
    this.models = new ModelCatalog(config);
    this.memory64 = newMemory64(config);
    this.realm = new Realm(TENANT, limits, models, memory64, tools);
    this.guests =
        switch (isolation) {
          case Isolation.InProcess inProcess -> new EndiveGuestEngine();
          case Isolation.Worker isolated ->
              new WorkerGuestEngine(workers.join(TENANT, isolated), hostFunctions());
        };
  }

  static Memory64Manager newMemory64(RuntimeConfig config) {
    return new Memory64Manager(
        Path.of(System.getProperty("java.io.tmpdir")),
        config.memory64Bytes(),
        16 * config.memory64Bytes());
  }

  /// Takes a WebAssembly module as the guest, in place of the one before; handles of that one end.
  ///
  /// @throws GuestFormatException when it cannot be a guest
  public void loadWasm(byte[] wasm) {
    GuestEngine.Module loaded = guests.load(wasm, realm.limits().guest());
    lock.lock();
    try {
      closeSession();
      session = new GuestSession(realm, loaded);
    } finally {
      lock.unlock();
    }
  }

  /// Calls an exported function of the guest.
  ///
  /// @param arguments numbers become its parameters, in order; texts are what `arg_read` gives, by
  ///     their index among all arguments
  /// @throws GuestTrapException when the guest traps, or exceeds a limit of the call
  /// @throws LimitException when a limit of the realm is reached
  /// @throws GuestFormatException when it exports no such function
  public CallResult callFunction(String name, Object... arguments) {
    return callFunction(name, GuestOutput.discard(), arguments);
  }

  /// The same, with what the guest emits handed over as it comes.
  public CallResult callFunction(String name, GuestOutput output, Object... arguments) {
    GuestSession guest = session;
    if (guest == null) {
      throw new IllegalStateException("no guest: call loadWasm first");
    }
    long begun = realm.quota().begin();
    try {
      return guest.call(name, output, arguments);
    } finally {
      realm.quota().end(begun);
    }
  }

  /// Ends the call in progress within one step: the guest's next host function answers `ECANCELED`.
  /// Without one nothing happens.
  public void cancel() {
    GuestSession guest = session;
    if (guest != null) {
      guest.cancel();
    }
  }

  /// What a negative result of the default guest's functions means.
  public static String describe(long result) {
    return Errno.describe(result);
  }

  /// Checks a text that a guest is to get as its configuration.
  ///
  /// @throws IllegalArgumentException when it is no JSON object; says where
  public static void checkConfiguration(String json) {
    if (!(JsonText.parse(json.getBytes(StandardCharsets.UTF_8)) instanceof Map)) {
      throw new IllegalArgumentException("json: expected an object, found another value");
    }
  }

  /// Host memory for layers of the embedding program's own; the guest has its own beside them.
  public Memory64Manager memory64() {
    return memory64;
  }

  /// What was used so far.
  public Usage usage() {
    return realm.meter().usage();
  }

  /// What the guest may take.
  ResourceLimits limits() {
    return realm.limits();
  }

  /// Hands every host call of the guest that is loaded to a trace.
  void trace(HostTrace trace) {
    GuestSession guest = session;
    if (guest != null) {
      guest.trace(trace);
    }
  }

  /// What guests can import.
  final List<HostFunction> hostFunctions() {
    return new HostFunctions(new GuestState(realm)).all();
  }

  private void closeSession() {
    GuestSession present = session;
    if (present != null) {
      present.close();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closeSession();
      session = null;
      workers.close();
      try {
        realm.close();
      } finally {
        models.close();
        memory64.close();
      }
    } finally {
      lock.unlock();
    }
  }
}
