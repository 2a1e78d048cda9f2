package ai.realm.bench;

import ai.realm.bench.SoakLoad.Act;
import ai.realm.bench.SoakLoad.Actor;
import ai.realm.engine.PublishedPrefix;
import ai.realm.error.RealmException;
import ai.realm.runtime.Isolation;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.TenantId;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// What tenants do in a soak: ask, constrain, fork, give up, fail, deploy, come and go, save.
final class SoakActors {
  private static final TenantId HOT = new TenantId("hot");
  private static final int FORKS_PER_GUEST = 20;
  private static final List<String> PROMPTS =
      List.of("What is the capital of France?", "Tell me a story about a fox.", "Count to twelve.");

  private final Path guests;
  private final long pauseMillis;
  private final long deployPauseMillis;

  /// @param guests folder of the built example guests
  /// @param pauseMillis between two acts of an actor
  /// @param deployPauseMillis between two versions that were never there before: of each JDK 25 keeps some
  ///     kilobytes for good (JDK-8390874)
  SoakActors(Path guests, long pauseMillis, long deployPauseMillis) {
    this.guests = guests;
    this.pauseMillis = pauseMillis;
    this.deployPauseMillis = deployPauseMillis;
  }

  List<Actor> all() throws IOException {
    return List.of(
        actor("asks", SoakActors::ask),
        actor("constrains", SoakActors::constrain),
        actor("forks", forking()),
        actor("gives up", SoakActors::giveUp),
        actor("fails", SoakActors::fail, "GUEST_TRAP", "GUEST_UNAVAILABLE"),
        actor("is refused", SoakActors::beRefused, "REQUEST_RATE"),
        new Actor("deploys", deployPauseMillis, Set.of(), deploying()),
        actor("calls the deployed", SoakActors::callDeployed, "NO_REALM"),
        actor("comes and goes", SoakActors::comeAndGo),
        actor("works in a worker", working(), "GUEST_DEADLINE", "GUEST_CPU", "WORKER_LOST"),
        actor("stays in a worker", staying()),
        actor("saves", saving()),
        actor("publishes", SoakActors::publish, "KV_LIMIT"));
  }

  private Actor actor(String name, Act act, String... expected) {
    return new Actor(name, pauseMillis, Set.of(expected), act);
  }

  private byte[] built(String name) throws IOException {
    return Files.readAllBytes(guests.resolve(name + ".wasm"));
  }

  private static TenantId tenant(MultiRealmManager realms, String name) {
    TenantId tenant = new TenantId(name);
    if (!realms.has(tenant)) {
      realms.create(tenant, SoakLoad.policy());
    }
    return tenant;
  }

  private static void generate(
      MultiRealmManager realms, TenantId tenant, long round, String config) {
    String prompt = PROMPTS.get((int) (round % PROMPTS.size()));
    long value = realms.generate(tenant, SoakLoad.MODEL, prompt, config, text -> {}).value();
    if (value < 0) {
      throw new IllegalStateException(tenant + ": expected an answer, found " + value);
    }
  }

  private static void ask(MultiRealmManager realms, long round) {
    TenantId tenant = tenant(realms, "asks");
    String config =
        switch ((int) (round % 4)) {
          case 0 -> "{\"max_tokens\":48}";
          case 1 -> "{\"max_tokens\":32,\"stop\":[\".\"],\"logprobs\":true}";
          case 2 -> "{\"max_tokens\":32,\"typical_p\":0.9,\"temperature\":1,\"seed\":%d}";
          default -> "{\"embed\":true}";
        };
    generate(realms, tenant, round, config.formatted(round));
  }

  /// Grammars that come again late, if at all: a tenant's cache of them turns over.
  private static void constrain(MultiRealmManager realms, long round) {
    TenantId tenant = tenant(realms, "constrains");
    String schema =
        "{\"type\":\"object\",\"properties\":{\"p%d\":{\"type\":\"integer\"}},\"required\":[\"p%d\"]}"
            .formatted(round % 300, round % 300);
    String constraint =
        round % 2 == 0
            ? "\"json_schema\":" + schema
            : "\"regex\":\"[a-z ]{%d,%d}\"".formatted(1 + round % 50, 60 + round % 50);
    generate(realms, tenant, round, "{\"max_tokens\":24,%s}".formatted(constraint));
  }

  private Act forking() throws IOException {
    List<byte[]> modules =
        List.of(built("beam_search"), built("tree_of_thought"), built("best_of_n"), built("vote"));
    return (realms, round) -> {
      TenantId tenant = tenant(realms, "forks");
      if (round % FORKS_PER_GUEST == 0) {
        realms.deploy(tenant, modules.get((int) (round / FORKS_PER_GUEST % modules.size())));
      }
      generate(realms, tenant, round, "{\"max_tokens\":16,\"n\":4,\"depth\":2,\"branch\":4}");
    };
  }

  /// A caller that is interrupted while its answer streams.
  private static void giveUp(MultiRealmManager realms, long round) throws InterruptedException {
    TenantId tenant = tenant(realms, "gives-up");
    Caller caller = new Caller(realms, tenant, round);
    caller.awaitText();
    caller.thread.interrupt();
    caller.expect(Set.of("GUEST_CANCELLED"));
  }

  /// Someone who asks for more than the context and watches the text begin.
  private static final class Caller {
    private final CountDownLatch begun = new CountDownLatch(1);
    private final AtomicReference<@Nullable RuntimeException> end = new AtomicReference<>();
    private final Thread thread;

    Caller(MultiRealmManager realms, TenantId tenant, long round) {
      String config = "{\"min_tokens\":400,\"temperature\":1,\"seed\":%d}".formatted(round);
      thread =
          new Thread(
              () -> {
                try {
                  realms.generate(
                      tenant, SoakLoad.MODEL, PROMPTS.get(1), config, text -> begun.countDown());
                } catch (RuntimeException e) {
                  end.set(e);
                } finally {
                  begun.countDown();
                }
              },
              "soak-caller");
      thread.setDaemon(true);
      thread.start();
    }

    void awaitText() throws InterruptedException {
      if (!begun.await(30, TimeUnit.SECONDS)) {
        throw new IllegalStateException("expected text within 30 s, found none");
      }
    }

    /// It ended with one of these errors, or was done already.
    void expect(Set<String> codes) throws InterruptedException {
      if (!thread.join(Duration.ofSeconds(30))) {
        throw new IllegalStateException("expected the call to end within 30 s");
      }
      RuntimeException found = end.get();
      if (found != null && !(found instanceof RealmException e && codes.contains(e.code()))) {
        throw found;
      }
    }
  }

  /// A guest that traps, so that its breaker opens; now and then another version of it.
  private static void fail(MultiRealmManager realms, long round) {
    TenantId tenant = tenant(realms, "fails");
    if (round % 50 == 0) {
      realms.deploy(tenant, HostileGuests.trapping((int) (round / 50 % 64)));
    }
    generate(realms, tenant, round, "{}");
  }

  private static void beRefused(MultiRealmManager realms, long round) {
    TenantId tenant = new TenantId("is-refused");
    if (!realms.has(tenant)) {
      realms.create(tenant, SoakLoad.policy(ResourceLimits.builder().requestsPerSecond(3)));
    }
    generate(realms, tenant, round, "{\"max_tokens\":1}");
  }

  /// Versions that are never the same, compiled and dropped.
  private Act deploying() throws IOException {
    byte[] plain = built("plain");
    byte[] redact = built("redact");
    return (realms, round) -> {
      tenant(realms, HOT.name());
      realms.deploy(HOT, version(round % 5 == 0 ? redact : plain, round));
      generate(realms, HOT, round, "{\"max_tokens\":8,\"secrets\":[\"fox\"]}");
      if (round % 25 == 24) {
        realms.undeploy(HOT);
      }
    };
  }

  private static void callDeployed(MultiRealmManager realms, long round) {
    generate(realms, HOT, round, "{\"max_tokens\":24}");
  }

  /// The same module with a custom section that says which version it is.
  private static byte[] version(byte[] module, long number) {
    byte[] text = "version-%020d".formatted(number).getBytes(StandardCharsets.US_ASCII);
    byte[] versioned = Arrays.copyOf(module, module.length + 3 + text.length);
    // The section's id 0, its size, and a name that is all of it.
    versioned[module.length + 1] = (byte) (text.length + 1);
    versioned[module.length + 2] = (byte) text.length;
    System.arraycopy(text, 0, versioned, module.length + 3, text.length);
    return versioned;
  }

  /// A tenant that is there for one answer; every other one is removed in the middle of it.
  private static void comeAndGo(MultiRealmManager realms, long round) throws InterruptedException {
    TenantId tenant = tenant(realms, "guest-%d".formatted(round));
    try {
      if (round % 2 == 0) {
        generate(realms, tenant, round, "{\"max_tokens\":8,\"raw\":true,\"save\":\"mine\"}");
      } else {
        Caller caller = new Caller(realms, tenant, round);
        caller.awaitText();
        realms.remove(tenant);
        caller.expect(Set.of("GUEST_CANCELLED"));
      }
    } finally {
      realms.remove(tenant);
      realms.forget(tenant);
    }
  }

  /// A tenant in a worker: its realm, and so its JVM, is made anew now and then; some guests spin.
  private Act working() throws IOException {
    byte[] plain = built("plain");
    byte[] json = built("json");
    TenantId tenant = new TenantId("works-in-a-worker");
    return (realms, round) -> {
      if (round % 100 == 0) {
        realms.remove(tenant);
        realms.create(tenant, SoakLoad.policy().withIsolation(Isolation.worker()));
      }
      byte[] module = round % 50 == 49 ? HostileGuests.spinner() : round % 20 < 10 ? plain : json;
      if (round % 10 == 0 || round % 50 == 49) {
        realms.deploy(tenant, version(module, round));
      }
      generate(realms, tenant, round, "{\"max_tokens\":24}");
    };
  }

  /// A tenant whose worker lives as long as the load, and gets ever new versions.
  private Act staying() throws IOException {
    byte[] plain = built("plain");
    byte[] vote = built("vote");
    TenantId tenant = new TenantId("stays-in-a-worker");
    return (realms, round) -> {
      if (round == 0) {
        realms.create(tenant, SoakLoad.policy().withIsolation(Isolation.worker()));
      }
      if (round % 5 == 0) {
        realms.deploy(tenant, version(round % 2 == 0 ? plain : vote, round));
      }
      generate(realms, tenant, round, "{\"max_tokens\":16,\"n\":3}");
    };
  }

  /// Preambles that are saved, opened, forgotten.
  private Act saving() throws IOException {
    byte[] resume = built("resume");
    return (realms, round) -> {
      TenantId tenant = tenant(realms, "saves");
      if (round == 0) {
        realms.deploy(tenant, resume);
      }
      String preamble = "This is preamble %d. ".formatted(round % 30) + "Mia has a fox. ".repeat(8);
      generate(realms, tenant, round, "{\"max_tokens\":8,\"preamble\":\"%s\"}".formatted(preamble));
      if (round % 100 == 99) {
        realms.forget(tenant);
      }
    };
  }

  private static void publish(MultiRealmManager realms, long round) throws InterruptedException {
    TenantId tenant = tenant(realms, "publishes");
    String system = "You are number %d. ".formatted(round) + "Mia has a fox. ".repeat(8);
    try (PublishedPrefix prefix =
        realms.publishSystemPrompt(SoakLoad.MODEL, system, Duration.ofSeconds(30))) {
      if (prefix.length() == 0) {
        throw new IllegalStateException("expected a published prompt, found none");
      }
      generate(realms, tenant, round, "{\"max_tokens\":4}");
    }
  }
}
