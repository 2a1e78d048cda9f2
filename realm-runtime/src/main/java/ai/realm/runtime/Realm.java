package ai.realm.runtime;

import ai.realm.engine.EngineTenant;
import ai.realm.engine.TenantShare;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/// What the running guests of one tenant share: limits and what is left of them, what was used, the
/// tenant's place in each engine. Safe for many threads.
final class Realm implements AutoCloseable {
  private static final long CLOSE_TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final TenantId tenant;
  private final ResourceLimits limits;
  private final ModelCatalog models;
  private final Memory64Manager memory64;
  private final GuestTools tools;
  private final UsageMeter meter = new UsageMeter();
  private final Quota quota;
  private final MemoryBudget memory;
  private final GuestStore store;
  private final HostMemory hostMemory;
  private final OpenGrammars grammars;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<ModelHost, EngineTenant> engineTenants = new HashMap<>();

  Realm(
      TenantId tenant,
      ResourceLimits limits,
      ModelCatalog models,
      Memory64Manager memory64,
      GuestTools tools) {
    this.tenant = tenant;
    this.limits = limits;
    this.models = models;
    this.memory64 = memory64;
    this.tools = tools;
    this.quota = new Quota(tenant, limits, meter, System::nanoTime);
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

  Memory64Manager memory64() {
    return memory64;
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
  EngineTenant engineTenant(ModelHost host) {
    lock.lock();
    try {
      return engineTenants.computeIfAbsent(
          host,
          h ->
              h.engine()
                  .tenant(
                      tenant.name(),
                      new TenantShare(
                          limits.priority(),
                          limits.weight(),
                          limits.maxSequences(),
                          limits.maxKvBlocks(),
                          limits.maxQueuedSteps())));
    } finally {
      lock.unlock();
    }
  }

  /// Leaves the engines; the guests must have ended. Steps in flight are waited for.
  @Override
  public void close() {
    lock.lock();
    try {
      engineTenants.forEach(Realm::leave);
      engineTenants.clear();
    } finally {
      lock.unlock();
    }
  }

  private static void leave(ModelHost host, EngineTenant tenant) {
    long giveUp = System.nanoTime() + CLOSE_TIMEOUT_NANOS;
    while (true) {
      try {
        host.engine().remove(tenant);
        return;
      } catch (IllegalStateException e) {
        // A cancelled step holds its sequence until the engine has passed it.
        if (System.nanoTime() - giveUp > 0) {
          throw e;
        }
        LockSupport.parkNanos(1_000_000);
      }
    }
  }
}
