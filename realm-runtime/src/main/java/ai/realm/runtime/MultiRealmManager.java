package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.PublishedPrefix;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Realms of many tenants over one copy of each model.
///
/// ```
/// manager.create(tenant, RealmPolicy.of(limits));
/// manager.deploy(tenant, wasm);                  // or leave it at the default guest
/// manager.generate(tenant, "model", "Hello", "{}", output);
/// ```
/// Guests are compiled once each, however many realms run them, in a worker once for that worker. A new version serves new calls at once
/// while calls in progress finish on the old one. A guest that fails several times in a row is not tried
/// for a while; if the tenant's policy says so the default guest stands in. Safe for many threads.
public final class MultiRealmManager implements AutoCloseable {
  private final GuestModules modules;
  private final Workers workers = new Workers();
  private final Memory64Manager memory64;
  private final ModelCatalog models;
  private final GuestModules.Guest defaultGuest;
  private final LongSupplier nanoClock;
  private final Map<TenantId, TenantRealm> realms = new ConcurrentHashMap<>();

  /// Prepares a manager; models are loaded when a guest first opens them.
  ///
  /// @param defaultGuest what realms run that bring no guest of their own
  public MultiRealmManager(RuntimeConfig config, byte[] defaultGuest) {
    this(config, defaultGuest, System::nanoTime);
  }

  MultiRealmManager(RuntimeConfig config, byte[] defaultGuest, LongSupplier nanoClock) {
    this(config, defaultGuest, nanoClock, new EndiveGuestEngine());
  }

  MultiRealmManager(
      RuntimeConfig config, byte[] defaultGuest, LongSupplier nanoClock, GuestEngine guests) {
    this.modules = new GuestModules(guests);
    this.models = new ModelCatalog(config);
    this.memory64 = RealmRuntime.newMemory64(config);
    this.nanoClock = nanoClock;
    this.defaultGuest = modules.get(defaultGuest, config.limits());
  }

  /// Makes a tenant's realm, with the default guest.
  ///
  /// @throws RealmPolicyException `REALM_EXISTS` when the tenant has one
  /// @throws LimitException `REALM_BUSY` while the one that it had is being removed, `WORKER_LIMIT`
  public void create(TenantId tenant, RealmPolicy policy) {
    Realm realm = new Realm(tenant, policy.limits(), models, memory64, policy.tools(), nanoClock);
    Workers.Slot worker =
        switch (policy.isolation()) {
          case Isolation.InProcess inProcess -> null;
          case Isolation.Worker isolated -> workers.join(tenant, isolated);
        };
    TenantRealm made = new TenantRealm(realm, policy, defaultGuest, worker, nanoClock);
    TenantRealm present = realms.putIfAbsent(tenant, made);
    if (present != null) {
      if (worker != null) {
        worker.close();
      }
      if (present.isClosed()) {
        throw new LimitException("REALM_BUSY", tenant + ": its realm is being removed", 0);
      }
      throw new RealmPolicyException("REALM_EXISTS", tenant + ": has a realm already");
    }
  }

  /// Changes what a tenant may take and how its realm is run, beside its calls: none is ended by it, and usage
  /// counts go on.
  ///
  /// - Limits that are raised hold at once.
  /// - Limits that are lowered are for what begins from now on. Calls in progress keep the rates, and their
  ///   instances and sequences (with forks of them) the bounds, that they began with; sequences that they
  ///   open besides, and what they keep beyond their end (values, saved sequences, layers), are measured by the
  ///   new ones.
  /// - What was used of a rate is used of the new one, and so is what calls in progress go on to use. What was
  ///   not bounded begins with nothing used.
  /// - Weight and priority count from the next step, tools and `fallback` from the next time that they are
  ///   asked for, the breaker's bounds at once.
  /// - [GuestLimits] are for the next call. Where they change, or a bound on what an instance holds is lowered,
  ///   no instance lives on for another call.
  ///
  /// @throws LimitException `NO_REALM` when the tenant has none
  /// @throws RealmPolicyException `ISOLATION_FIXED` when it says that its guests are to run elsewhere: nothing
  ///     has changed
  /// @throws IllegalArgumentException for a weight above 1e6: nothing has changed
  public void update(TenantId tenant, RealmPolicy policy) {
    realm(tenant).update(policy);
  }

  /// How a tenant's realm is run now.
  ///
  /// @throws LimitException `NO_REALM` when the tenant has none
  public RealmPolicy policy(TenantId tenant) {
    return realm(tenant).policy();
  }

  /// Ends a tenant's realm and the calls in it, within seconds, and forgets its layers; without one nothing
  /// happens. Calls in progress
  /// end with `GUEST_CANCELLED` or what their guest makes of `ECANCELED`, those that begin meanwhile with
  /// `NO_REALM`.
  ///
  /// @throws LimitException `REALM_BUSY` when a step of it did not end in time: calls find no realm, and
  ///     this can be tried again
  public void remove(TenantId tenant) {
    TenantRealm going = realms.get(tenant);
    if (going != null) {
      going.close();
      realms.remove(tenant, going);
    }
  }

  /// Computes the begin of prompts of a model and lets every tenant's guests reuse it, until it is closed;
  /// what is not published is found again by the tenant alone that computed it.
  ///
  /// @param model name of a model; a name with an adapter is another one
  /// @param tokens ids as guests feed them, from the first on
  /// @throws AdmissionException `NO_MODEL` when there is none of that name; guests that open it get `ENOENT`
  /// @throws ai.realm.error.RealmException when there is no room for it, or it was not done in time
  /// @throws InterruptedException when interrupted: nothing is published
  public PublishedPrefix publish(String model, int[] tokens, Duration within)
      throws InterruptedException {
    long deadlineNanos = deadline(within);
    ModelCatalog.Entry entry = model(model, deadlineNanos);
    return entry.host().engine().publish(entry.adapter(), tokens, deadlineNanos);
  }

  /// The same for what every conversation begins with that has this system prompt, as the model's chat
  /// template writes it.
  ///
  /// @throws AdmissionException `NO_MODEL` when there is none of that name
  public PublishedPrefix publishSystemPrompt(String model, String system, Duration within)
      throws InterruptedException {
    long deadlineNanos = deadline(within);
    int[] tokens = model(model, deadlineNanos).host().systemTokens(system);
    return publish(model, tokens, Duration.ofNanos(deadlineNanos - System.nanoTime()));
  }

  private static long deadline(Duration within) {
    boolean longer = within.compareTo(GuestLimits.LONGEST) > 0;
    return System.nanoTime() + (longer ? GuestLimits.LONGEST : within).toNanos();
  }

  ModelCatalog.Entry model(String name, long deadlineNanos) throws InterruptedException {
    ModelCatalog.Entry entry;
    try {
      entry = models.find(name, deadlineNanos);
    } catch (TimeoutException e) {
      throw new LimitException("MODEL_LOADING", "model %s: not loaded in time".formatted(name), 0);
    }
    if (entry == null) {
      throw new AdmissionException(
          "NO_MODEL",
          "model %s: expected one of %s, found none of that name"
              .formatted(name, String.join(", ", models.names())));
    }
    return entry;
  }

  /// Forgets the sequences that a tenant's guests saved, which outlive its realm otherwise, and the layers of
  /// the realm that it has.
  public void forget(TenantId tenant) {
    TenantRealm present = realms.get(tenant);
    if (present != null) {
      present.forgetLayers();
    }
    models.saved().forget(tenant);
  }

  /// Takes a guest for a tenant's new calls; those in progress finish on the one they began with.
  ///
  /// @throws GuestFormatException when it cannot be a guest, imports what the host does not have, or lacks
  ///     `load_model` or `generate`: the one before stays
  /// @throws LimitException `DEPLOY_PENDING` while another deployment of the tenant is not done,
  ///     `COMPILER_BUSY`
  public void deploy(TenantId tenant, byte[] wasm) {
    realm(tenant).deploy(modules, wasm);
  }

  /// Returns a tenant to the default guest.
  public void undeploy(TenantId tenant) {
    realm(tenant).use(null);
  }

  /// Ends all instances that wait for a call, with their linear memory, as when memory is short: a realm keeps
  /// up to four of each guest that it runs. Calls in progress go on; the next one makes its instance anew.
  public void releaseIdle() {
    realms.values().forEach(TenantRealm::releaseIdle);
  }

  /// Lets the tenant's guest generate: its `load_model` where that was not called, then its `generate`.
  ///
  /// @param model name of a model
  /// @param prompt a text, or what the configuration says that it is
  /// @param config JSON for the guest
  /// @return what it gave, which may be that it failed: see [CallResult#orThrow]
  /// @throws LimitException when a limit of the tenant is reached
  /// @throws GuestTrapException when the guest was stopped
  public CallResult generate(
      TenantId tenant, String model, String prompt, String config, GuestOutput output) {
    return realm(tenant).generate(model, prompt, config, output);
  }

  /// Calls another export of the tenant's guest, such as one that gives it what later calls use. Each call
  /// may run in another instance: what is to last belongs into the realm's store (`kvs_put`). The default
  /// guest does not stand in.
  ///
  /// @param arguments numbers become its parameters, in order; texts are what `arg_read` gives, by their
  ///     index among all arguments
  /// @throws LimitException when a limit of the tenant is reached
  /// @throws GuestTrapException when the guest was stopped
  /// @throws GuestFormatException when it exports no such function
  public CallResult call(
      TenantId tenant, String function, GuestOutput output, Object... arguments) {
    return realm(tenant).call(function, output, arguments);
  }

  /// How a tenant's realm is.
  public RealmStatus status(TenantId tenant) {
    return realm(tenant).status();
  }

  /// All realms, in no order.
  public List<RealmStatus> status() {
    return realms.values().stream()
        .filter(realm -> !realm.isClosed())
        .map(TenantRealm::status)
        .toList();
  }

  /// Whether the tenant has a realm.
  public boolean has(TenantId tenant) {
    TenantRealm present = realms.get(tenant);
    return present != null && !present.isClosed();
  }

  TenantRealm realm(TenantId tenant) {
    TenantRealm present = realms.get(tenant);
    if (present == null || present.isClosed()) {
      throw Realm.gone(tenant);
    }
    return present;
  }

  /// The worker of a tenant, or null.
  Workers.@Nullable Slot worker(TenantId tenant) {
    return realm(tenant).worker();
  }

  int compilations() {
    return modules.compilations();
  }

  int modelLoads() {
    return models.loads();
  }

  /// Ends all realms. Where a step of one does not end in time the rest ends all the same.
  @Override
  public void close() {
    RuntimeException failure = null;
    for (TenantRealm realm : realms.values()) {
      try {
        realm.close();
      } catch (RuntimeException e) {
        failure = e;
      }
    }
    realms.clear();
    workers.close();
    models.close();
    memory64.close();
    if (failure != null) {
      throw failure;
    }
  }
}
