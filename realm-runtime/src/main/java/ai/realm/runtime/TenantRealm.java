package ai.realm.runtime;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// One tenant's realm under a [MultiRealmManager]: the guest that new calls run, the default guest behind
/// it, the circuit breaker between them.
final class TenantRealm implements AutoCloseable {
  private final Realm realm;
  private final RealmPolicy policy;
  private final LongSupplier nanoClock;
  private final GuestPool fallback;
  private final Workers.@Nullable Slot worker;
  private final Set<GuestPool> retired = ConcurrentHashMap.newKeySet();
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable Version own;
  private boolean closed;

  /// A deployed guest. Each has a breaker of its own: calls of the one before that fail still say nothing
  /// about the next.
  private record Version(GuestPool pool, CircuitBreaker breaker) {}

  /// @param worker where the tenant's own guests run; null for in this process
  TenantRealm(
      Realm realm,
      RealmPolicy policy,
      GuestModules.Guest defaultGuest,
      Workers.@Nullable Slot worker,
      LongSupplier nanoClock) {
    this.realm = realm;
    this.worker = worker;
    this.policy = policy;
    this.fallback = new GuestPool(realm, defaultGuest);
    this.nanoClock = nanoClock;
  }

  GuestLimits guestLimits() {
    return policy.limits().guest();
  }

  /// Reads and compiles a guest where the tenant's guests run.
  GuestModules.Guest load(GuestModules modules, byte[] wasm) {
    if (worker == null) {
      return modules.get(wasm, guestLimits());
    }
    List<HostFunction> functions = new HostFunctions(new GuestState(realm)).all();
    return modules.getFrom(new WorkerGuestEngine(worker, functions), wasm, guestLimits());
  }

  Workers.@Nullable Slot worker() {
    return worker;
  }

  /// New calls run this guest; null for the default one. Calls in progress finish on theirs.
  void deploy(GuestModules.@Nullable Guest guest) {
    Version before;
    lock.lock();
    try {
      checkOpen();
      before = own;
      own = guest == null ? null : version(guest);
    } finally {
      lock.unlock();
    }
    if (before != null) {
      retired.removeIf(GuestPool::isOver);
      retired.add(before.pool());
      before.pool().retire();
    }
  }

  private Version version(GuestModules.Guest guest) {
    return new Version(
        new GuestPool(realm, guest),
        new CircuitBreaker(policy.failuresToOpen(), policy.openFor(), nanoClock));
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException(realm.tenant() + ": the realm was removed");
    }
  }

  CallResult generate(String model, String prompt, String config, GuestOutput output) {
    realm.quota().begin();
    try {
      Version tried = current();
      if (tried == null) {
        return run(fallback, model, prompt, config, output);
      }
      if (tried.breaker().tryPass()) {
        return tryOwn(tried, model, prompt, config, output);
      }
      if (policy.fallback()) {
        return run(fallback, model, prompt, config, output);
      }
      realm.meter().refusedAfterItBegan();
      throw new LimitException(
          "GUEST_UNAVAILABLE",
          realm.tenant() + ": its guest failed too often and is not tried for a while",
          tried.breaker().retryAfterNanos());
    } finally {
      realm.quota().end();
    }
  }

  private @Nullable Version current() {
    lock.lock();
    try {
      checkOpen();
      return own;
    } finally {
      lock.unlock();
    }
  }

  /// Runs the tenant's own guest. Where it fails before anything was emitted and the tenant allows it,
  /// the default guest answers this call already.
  private CallResult tryOwn(
      Version tried, String model, String prompt, String config, GuestOutput output) {
    CircuitBreaker breaker = tried.breaker();
    Emitted emitted = new Emitted(output);
    boolean decided = false;
    try {
      CallResult result = run(tried.pool(), model, prompt, config, emitted);
      breaker.succeeded();
      decided = true;
      return result;
    } catch (GuestTrapException | GuestFormatException e) {
      decided = true;
      if (isCancelled(e)) {
        breaker.ended();
        throw e;
      }
      breaker.failed();
      if (policy.fallback() && !emitted.any) {
        return run(fallback, model, prompt, config, output);
      }
      throw e;
    } finally {
      if (!decided) {
        breaker.ended();
      }
    }
  }

  private static boolean isCancelled(RuntimeException e) {
    return e instanceof GuestTrapException trap && trap.code().equals("GUEST_CANCELLED");
  }

  private static CallResult run(
      GuestPool pool, String model, String prompt, String config, GuestOutput output) {
    LoadedGuest guest = pool.borrow();
    try {
      return guest.generate(model, prompt, config, output);
    } finally {
      pool.giveBack(guest);
    }
  }

  RealmStatus status() {
    lock.lock();
    try {
      Version version = own;
      GuestPool present = version == null ? fallback : version.pool();
      return new RealmStatus(
          realm.tenant(),
          present.sha256(),
          version != null,
          realm.quota().running(),
          present.idle(),
          realm.memory().used(),
          version != null && version.breaker().isOpen(),
          realm.meter().usage());
    } finally {
      lock.unlock();
    }
  }

  /// Ends the calls in progress and leaves the engines.
  @Override
  public void close() {
    Version present;
    lock.lock();
    try {
      closed = true;
      present = own;
      own = null;
    } finally {
      lock.unlock();
    }
    retired.forEach(GuestPool::close);
    if (present != null) {
      present.pool().close();
    }
    fallback.close();
    if (worker != null) {
      worker.close();
    }
    realm.close();
  }

  /// Passes output on and remembers that there was some.
  private static final class Emitted implements GuestOutput {
    private final GuestOutput output;
    private boolean any;

    Emitted(GuestOutput output) {
      this.output = output;
    }

    @Override
    public void text(String text) {
      any = true;
      output.text(text);
    }

    @Override
    public void token(int id) {
      any = true;
      output.token(id);
    }

    @Override
    public void event(int kind, byte[] data) {
      any = true;
      output.event(kind, data);
    }

    @Override
    public void log(int level, String line) {
      output.log(level, line);
    }
  }
}
