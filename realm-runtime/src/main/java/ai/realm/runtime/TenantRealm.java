package ai.realm.runtime;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// One tenant's realm under a [MultiRealmManager]: the guest that new calls run, the default guest behind
/// it, the circuit breaker between them. A call takes its guest under the same lock under which another is
/// deployed and the realm is closed, so that none runs on what is gone.
final class TenantRealm implements AutoCloseable {
  private final Realm realm;
  private final LongSupplier nanoClock;
  private final GuestPool fallback;
  private final Workers.@Nullable Slot worker;
  private final Semaphore deploying = new Semaphore(1);
  private final DeploymentPace pace = new DeploymentPace();
  private final ReentrantLock lock = new ReentrantLock();
  private final Set<GuestPool> retired = new HashSet<>();
  private @Nullable Version own;
  private volatile RealmPolicy policy;
  private boolean closed;
  private boolean workerLeft;

  /// A deployed guest. Each has a breaker of its own: calls of the one before that fail still say nothing
  /// about the next.
  private record Version(GuestPool pool, CircuitBreaker breaker) {}

  /// A running guest that a call has borrowed.
  ///
  /// @param pass what the breaker of the tenant's own guest wants to know the end of; null for the default
  ///     guest
  private record Turn(GuestPool pool, LoadedGuest guest, CircuitBreaker.@Nullable Pass pass) {
    LoadedGuest.Answer run(String model, String prompt, String config, GuestOutput output) {
      try {
        return guest.generate(model, prompt, config, output);
      } finally {
        pool.giveBack(guest);
      }
    }
  }

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

  /// Checks, reads and compiles a guest where the tenant's guests run, and lets new calls run it. Calls in
  /// progress finish on theirs. One at a time: who deploys a lot waits in line once, as others do.
  ///
  /// @throws LimitException `DEPLOY_PENDING` while another of the tenant is not done
  void deploy(GuestModules modules, byte[] wasm) {
    if (!deploying.tryAcquire()) {
      throw new LimitException(
          "DEPLOY_PENDING", realm.tenant() + ": at most one deployment at a time", 0);
    }
    try {
      use(load(modules, wasm));
    } finally {
      deploying.release();
    }
  }

  private GuestModules.Guest load(GuestModules modules, byte[] wasm) {
    GuestLimits limits = policy.limits().guest();
    GuestModules.checkSize(wasm, limits);
    HostFunctions functions = new HostFunctions(new GuestState(realm));
    if (!EndiveGuestEngine.isBuiltIn(wasm)) {
      GuestInterface.check(wasm, functions::find);
    }
    return worker == null
        ? modules.get(wasm, limits)
        : modules.getFrom(new WorkerGuestEngine(worker, functions.all(), pace), wasm, limits);
  }

  Realm realm() {
    return realm;
  }

  Workers.@Nullable Slot worker() {
    return worker;
  }

  /// New calls run this guest; null for the default one. Calls in progress finish on theirs.
  void use(GuestModules.@Nullable Guest guest) {
    Version before;
    lock.lock();
    try {
      checkOpen();
      before = own;
      own = guest == null ? null : version(guest);
      retired.removeIf(GuestPool::isOver);
      if (before != null) {
        retired.add(before.pool());
      }
    } finally {
      lock.unlock();
    }
    if (before != null) {
      before.pool().retire();
    }
  }

  private Version version(GuestModules.Guest guest) {
    return new Version(
        new GuestPool(realm, guest),
        new CircuitBreaker(policy.failuresToOpen(), policy.openFor(), nanoClock));
  }

  RealmPolicy policy() {
    return policy;
  }

  /// Runs the realm by another policy from now on. See [MultiRealmManager#update].
  void update(RealmPolicy next) {
    List<GuestSession> ending = new ArrayList<>();
    lock.lock();
    try {
      checkOpen();
      if (!next.isolation().equals(policy.isolation())) {
        throw new RealmPolicyException(
            "ISOLATION_FIXED",
            "%s: expected the isolation that its realm was made with, %s, found %s"
                .formatted(realm.tenant(), policy.isolation(), next.isolation()));
      }
      boolean renews = outlives(policy.limits(), next.limits());
      realm.update(next.limits(), next.tools());
      policy = next;
      Version version = own;
      if (version != null) {
        version.breaker().update(next.failuresToOpen(), next.openFor());
      }
      if (renews) {
        pools().forEach(pool -> ending.addAll(pool.renew()));
      }
    } finally {
      lock.unlock();
    }
    GuestSession.closeAll(ending);
  }

  /// Whether an instance that was made under these limits has, or has open, what the next ones do not allow,
  /// or less than they do.
  private static boolean outlives(ResourceLimits before, ResourceLimits next) {
    return !next.guest().equals(before.guest())
        || next.memoryBytes() < before.memoryBytes()
        || next.hostBytes() < before.hostBytes()
        || next.maxSequences() < before.maxSequences()
        || next.maxKvBlocks() < before.maxKvBlocks()
        || next.maxQueuedSteps() < before.maxQueuedSteps();
  }

  private void checkOpen() {
    if (closed) {
      throw Realm.gone(realm.tenant());
    }
  }

  boolean isClosed() {
    lock.lock();
    try {
      return closed;
    } finally {
      lock.unlock();
    }
  }

  CallResult generate(String model, String prompt, String config, GuestOutput output) {
    long begun = realm.quota().begin();
    try {
      Turn turn = take(policy.fallback());
      CircuitBreaker.Pass pass = turn.pass();
      return pass == null
          ? turn.run(model, prompt, config, output).result()
          : tryOwn(turn, pass, model, prompt, config, output);
    } finally {
      realm.quota().end(begun);
    }
  }

  /// Calls another export of what `generate` runs; nothing stands in for it.
  CallResult call(String function, GuestOutput output, Object... arguments) {
    long begun = realm.quota().begin();
    try {
      Turn turn = take(false);
      CircuitBreaker.Pass pass = turn.pass();
      Emitted emitted = new Emitted(output);
      GuestVerdict verdict = GuestVerdict.NEITHER;
      try {
        return turn.guest().session().call(function, emitted, arguments);
      } catch (GuestFormatException e) {
        // Whoever calls it chose the name and the arguments.
        throw e;
      } catch (RuntimeException e) {
        verdict = emitted.broken ? GuestVerdict.NEITHER : GuestVerdict.of(e);
        throw e;
      } finally {
        turn.pool().giveBack(turn.guest());
        if (pass != null) {
          pass.end(verdict);
        }
      }
    } finally {
      realm.quota().end(begun);
    }
  }

  /// Borrows what the call is to run.
  ///
  /// @param standsIn whether the default guest may while the tenant's own is not tried
  /// @throws LimitException `NO_REALM` when the realm is closed, `GUEST_UNAVAILABLE`
  private Turn take(boolean standsIn) {
    lock.lock();
    try {
      checkOpen();
      Version version = own;
      if (version == null) {
        return turn(fallback, null);
      }
      CircuitBreaker.Pass pass = version.breaker().tryPass();
      if (pass != null) {
        return turn(version.pool(), pass);
      }
      if (standsIn) {
        return turn(fallback, null);
      }
      realm.meter().refusedAfterItBegan();
      throw new LimitException(
          "GUEST_UNAVAILABLE",
          realm.tenant() + ": its guest failed too often and is not tried for a while",
          version.breaker().retryAfterNanos());
    } finally {
      lock.unlock();
    }
  }

  private Turn takeDefault() {
    lock.lock();
    try {
      checkOpen();
      return turn(fallback, null);
    } finally {
      lock.unlock();
    }
  }

  private Turn turn(GuestPool pool, CircuitBreaker.@Nullable Pass pass) {
    LoadedGuest guest = pool.borrow();
    if (guest == null) {
      throw Realm.gone(realm.tenant());
    }
    return new Turn(pool, guest, pass);
  }

  /// Runs the tenant's own guest. Where it fails before anything was emitted and the tenant allows it,
  /// the default guest answers this call already.
  private CallResult tryOwn(
      Turn turn,
      CircuitBreaker.Pass pass,
      String model,
      String prompt,
      String config,
      GuestOutput output) {
    Emitted emitted = new Emitted(output);
    GuestVerdict verdict = GuestVerdict.NEITHER;
    boolean counted = false;
    try {
      LoadedGuest.Answer answer = turn.run(model, prompt, config, emitted);
      verdict = GuestVerdict.of(answer, realm.models().has(model));
      if (verdict != GuestVerdict.FAILED || !standsIn(emitted)) {
        return answer.result();
      }
    } catch (RuntimeException e) {
      verdict = emitted.broken ? GuestVerdict.NEITHER : GuestVerdict.of(e);
      if (verdict != GuestVerdict.FAILED || !standsIn(emitted)) {
        throw e;
      }
      counted = true;
    } finally {
      pass.end(verdict);
    }
    Turn second = takeDefault();
    try {
      return second.run(model, prompt, config, output).result();
    } catch (RuntimeException e) {
      if (counted) {
        // It is one call.
        realm.meter().failed.decrement();
      }
      throw e;
    }
  }

  private boolean standsIn(Emitted emitted) {
    return policy.fallback() && !emitted.any;
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

  /// Those that new calls borrow of. Called with the lock.
  private List<GuestPool> pools() {
    Version version = own;
    return version == null ? List.of(fallback) : List.of(fallback, version.pool());
  }

  /// Ends the instances that wait for a call.
  void releaseIdle() {
    List<GuestSession> ending = new ArrayList<>();
    lock.lock();
    try {
      pools().forEach(pool -> ending.addAll(pool.release()));
    } finally {
      lock.unlock();
    }
    GuestSession.closeAll(ending);
  }

  void forgetLayers() {
    realm.layers().clear();
  }

  /// Ends the calls in progress and leaves the engines, in bounded time: calls that begin from now on find no
  /// realm. It may be called again where it threw.
  ///
  /// @throws LimitException `REALM_BUSY` when a step did not end in time
  @Override
  public void close() {
    List<GuestSession> ending = new ArrayList<>();
    boolean leavesWorker;
    lock.lock();
    try {
      closed = true;
      if (own != null) {
        retired.add(own.pool());
        own = null;
      }
      retired.forEach(pool -> ending.addAll(pool.retireAll()));
      ending.addAll(fallback.retireAll());
      leavesWorker = !workerLeft;
      workerLeft = true;
    } finally {
      lock.unlock();
    }
    GuestSession.closeAll(ending);
    if (worker != null && leavesWorker) {
      worker.close();
    }
    realm.close();
  }

  /// Passes output on and remembers that there was some, and whether its receiver failed.
  private static final class Emitted implements GuestOutput {
    private final GuestOutput output;
    private volatile boolean any;
    private volatile boolean broken;

    Emitted(GuestOutput output) {
      this.output = output;
    }

    @Override
    public void text(String text) {
      any = true;
      pass(() -> output.text(text));
    }

    @Override
    public void token(int id) {
      any = true;
      pass(() -> output.token(id));
    }

    @Override
    public void event(int kind, byte[] data) {
      any = true;
      pass(() -> output.event(kind, data));
    }

    @Override
    public void log(int level, String line) {
      pass(() -> output.log(level, line));
    }

    private void pass(Runnable call) {
      try {
        call.run();
      } catch (RuntimeException e) {
        broken = true;
        throw e;
      }
    }
  }
}
