package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.engine.EngineStats;
import ai.realm.testing.sample.SampleModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Realms of several tenants over one engine, each with a [HostCaller] that can step.
final class CallerRealms implements AutoCloseable {
  /// The tokens of [#PROMPT], where [Tenant#prompt] puts them.
  static final int IDS = 32_768;

  static final String PROMPT = "<|user|>What is the capital of France?</s><|assistant|>";
  static final int PROMPT_TOKENS = 11;

  private static final byte[] GUEST =
      HostCaller.guest(
          Map.of(
              "kv_new",
              1,
              "kv_fork",
              1,
              "kv_truncate",
              2,
              "kv_free",
              1,
              "step",
              2,
              "step_submit",
              2,
              "step_wait",
              2,
              "logits_read",
              4,
              "kvs_put",
              4,
              "log",
              3));

  private final Memory64Manager memory64;
  private final ModelCatalog models;
  private final List<Tenant> tenants = new ArrayList<>();

  CallerRealms(Backend backend) {
    RuntimeConfig config = RuntimeConfig.of("sample", SampleModel.path(), backend);
    memory64 = RealmRuntime.newMemory64(config);
    models = new ModelCatalog(config);
  }

  /// A tenant with an open model and an empty sequence.
  final class Tenant {
    final Realm realm;
    final GuestSession session;
    final HostCaller guest;
    final int model;
    final int kv;

    private Tenant(String name, ResourceLimits limits) {
      realm = new Realm(new TenantId(name), limits, models, memory64, GuestTools.NONE);
      session = new GuestSession(realm, new EndiveGuestEngine().load(GUEST, limits.guest()));
      guest = new HostCaller(session::call);
      model = guest.open("sample");
      kv = guest.call("kv_new", model);
    }

    /// Puts the prompt's tokens into the guest's memory.
    Tenant prompt() {
      if (guest.tokenize(model, PROMPT, IDS) != PROMPT_TOKENS) {
        throw new AssertionError("the sample model's tokenizer has changed");
      }
      return this;
    }

    Usage usage() {
      return realm.meter().usage();
    }
  }

  Tenant tenant(String name, ResourceLimits limits) {
    Tenant made = new Tenant(name, limits);
    tenants.add(made);
    return made.prompt();
  }

  EngineStats stats() throws InterruptedException, TimeoutException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    return models.find("sample", deadline).host().engine().stats();
  }

  /// Waits until no step is queued or running.
  void awaitIdle() throws InterruptedException, TimeoutException {
    while (stats().queued() > 0) {
      Thread.sleep(1);
    }
  }

  @Override
  public void close() {
    for (Tenant tenant : tenants) {
      tenant.session.close();
      tenant.realm.close();
    }
    models.close();
    memory64.close();
  }
}
