package ai.realm.runtime;

import ai.realm.engine.EngineTenant;
import ai.realm.engine.TenantShare;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/// What the running guests of one tenant share: limits and what is left of them, what was used, the
/// tenant's place in each engine. Safe for many threads.
final class Realm implements AutoCloseable {
  private static final long CLOSE_TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final TenantId tenant;
  private final Memory64Manager memory64;
  private final ModelCatalog models;
  private final TenantLayers layers;
  private final UsageMeter meter = new UsageMeter();
  private final Quota quota;
  private final MemoryBudget memory;
  private final GuestStore store;
  private final HostMemory hostMemory;
  private final OpenGrammars grammars;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<ModelHost, EngineTenant> engineTenants = new HashMap<>();
  private volatile ResourceLimits limits;

  /// Of these limits; one that no engine takes is refused before a realm has it.
  private volatile TenantShare share;

  private volatile GuestTools tools;
  private boolean closed;

  Realm(
      TenantId tenant,
      ResourceLimits limits,
      ModelCatalog models,
      Memory64Manager memory64,
      GuestTools tools) {
    this(tenant, limits, models, memory64, tools, System::nanoTime);
  }

  /// @param nanoClock by which rates are counted
  Realm(
      TenantId tenant,
      ResourceLimits limits,
      ModelCatalog models,
      Memory64Manager memory64,
      GuestTools tools,
      LongSupplier nanoClock) {
    this.tenant = tenant;
    this.limits = limits;
    this.share = share(limits);
    this.models = models;
    this.memory64 = memory64;
    this.layers = memory64.open(tenant, limits.layerBytes());
    this.tools = tools;
    this.quota = new Quota(tenant, limits, meter, nanoClock);
    this.memory = new MemoryBudget(limits.memoryBytes());
    this.store = new GuestStore(limits.storeBytes());
    this.hostMemory = new HostMemory(tenant, limits.hostBytes());
    this.grammars = new OpenGrammars(hostMemory);
  }

  TenantId tenant() {
    return tenant;
  }

  ResourceLimits limits() {
    return limits;
  }

  ModelCatalog models() {
    return models;
  }

  /// What the tenant's guests keep in host memory; it goes with the realm.
  TenantLayers layers() {
    return layers;
  }

  GuestTools tools() {
    return tools;
  }

  UsageMeter meter() {
    return meter;
  }

  Quota quota() {
    return quota;
  }

  /// Linear memory of all the tenant's instances.
  MemoryBudget memory() {
    return memory;
  }

  /// The host's own memory behind the tenant's handles and calls.
  HostMemory hostMemory() {
    return hostMemory;
  }

  /// What the tenant's guests keep between calls.
  GuestStore store() {
    return store;
  }

  /// Grammars that the tenant's guests compiled, and no other's: who shares them would learn by the time
  /// that it takes what others compile.
  OpenGrammars grammars() {
    return grammars;
  }

  /// The tenant's place in a model's engine.
  ///
  /// @throws LimitException `NO_REALM` after [#close]: nobody would give the place back
  EngineTenant engineTenant(ModelHost host) {
    lock.lock();
    try {
      if (closed) {
        throw gone(tenant);
      }
      return engineTenants.computeIfAbsent(host, h -> h.engine().tenant(tenant.name(), share));
    } finally {
      lock.unlock();
    }
  }

  private static TenantShare share(ResourceLimits limits) {
    return new TenantShare(
        limits.priority(),
        limits.weight(),
        limits.maxSequences(),
        limits.maxKvBlocks(),
        limits.maxQueuedSteps());
  }

  /// Goes on with other limits and tools. What was used stays used, what is held stays held.
  ///
  /// @throws LimitException `NO_REALM` after [#close]
  /// @throws IllegalArgumentException when no engine takes such a share: nothing has changed
  void update(ResourceLimits next, GuestTools nextTools) {
    TenantShare nextShare = share(next);
    lock.lock();
    try {
      if (closed) {
        throw gone(tenant);
      }
      // Under the lock: whoever takes a place in an engine has it with these limits or finds it
      // changed here.
      limits = next;
      share = nextShare;
      tools = nextTools;
      engineTenants.forEach((host, place) -> host.engine().update(place, nextShare));
    } finally {
      lock.unlock();
    }
    quota.update(next);
    memory.update(next.memoryBytes());
    hostMemory.update(next.hostBytes());
    grammars.update();
    store.update(next.storeBytes());
    memory64.update(layers, next.layerBytes());
  }

  /// What calls of a tenant without a realm are told.
  static LimitException gone(TenantId tenant) {
    return new LimitException("NO_REALM", tenant + ": has no realm", 0);
  }

  /// Leaves the engines and forgets the tenant's layers; the guests must have ended. Steps in flight are waited for. Where that takes too
  /// long it can be called again.
  ///
  /// @throws LimitException `REALM_BUSY` when a step did not end in time
  @Override
  public void close() {
    layers.close();
    Map<ModelHost, EngineTenant> left;
    lock.lock();
    try {
      closed = true;
      left = Map.copyOf(engineTenants);
    } finally {
      lock.unlock();
    }
    long giveUp = System.nanoTime() + CLOSE_TIMEOUT_NANOS;
    left.forEach((host, place) -> {
      leave(host, place, giveUp);
      forget(host);
    });
  }

  private void forget(ModelHost host) {
    lock.lock();
    try {
      engineTenants.remove(host);
    } finally {
      lock.unlock();
    }
  }

  /// An interrupt does not shorten the wait, and is kept.
  private void leave(ModelHost host, EngineTenant place, long giveUp) {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          host.engine().remove(place);
          return;
        } catch (IllegalStateException e) {
          // A cancelled step holds its sequence until the engine has passed it.
          if (System.nanoTime() - giveUp > 0) {
            throw new LimitException(
                "REALM_BUSY",
                "%s: a step did not end within %d s"
                    .formatted(tenant, TimeUnit.NANOSECONDS.toSeconds(CLOSE_TIMEOUT_NANOS)),
                CLOSE_TIMEOUT_NANOS);
          }
          interrupted |= Thread.interrupted();
          LockSupport.parkNanos(1_000_000);
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
