package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.error.RealmException;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.RealmPolicy;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.runtime.SequenceStorage;
import ai.realm.wasm.DefaultGuest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;

/// The load of a soak: actors, each on a thread of its own, that do the same kind of thing again and again on
/// one [MultiRealmManager] until the load is closed. [#quiet] waits until none is at it: what is held then is
/// held for good.
final class SoakLoad implements AutoCloseable {
  static final String MODEL = "model";
  private static final int CONTEXT = 512;
  private static final int SEQUENCES = 24;
  private static final long SAVED_BYTES = 32L << 20;
  private static final int MOST_FAILURES = 20;

  /// Long beside what honest guests need, short beside the time between samples.
  private static final int SPINNING_MILLIS = 1500;

  private static final long JOIN_MILLIS = 60_000;

  /// What an actor does once.
  @FunctionalInterface
  interface Act {
    void run(MultiRealmManager realms, long round) throws InterruptedException;
  }

  /// Who does something again and again.
  ///
  /// @param expected codes of the errors that are part of it; every other one fails the soak
  record Actor(String name, long pauseMillis, Set<String> expected, Act act) {}

  private final MultiRealmManager realms;
  private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock(true);
  private final AtomicBoolean over = new AtomicBoolean();
  private final List<Thread> threads = new ArrayList<>();
  private final List<Tally> tallies = new ArrayList<>();
  private final Queue<String> failures = new ConcurrentLinkedQueue<>();

  /// How often an actor did it, and with which errors; of its thread.
  private static final class Tally {
    private final Actor actor;
    private final Map<String, Long> ends = new TreeMap<>();

    Tally(Actor actor) {
      this.actor = actor;
    }

    synchronized void count(String end) {
      ends.merge(end, 1L, Long::sum);
    }

    synchronized Map<String, Long> ends() {
      return Map.copyOf(ends);
    }
  }

  private SoakLoad(MultiRealmManager realms) {
    this.realms = realms;
  }

  /// Starts the actors.
  ///
  /// @param saved folder of the sequences that guests save
  static SoakLoad start(Path model, Path saved, Backend backend, List<Actor> actors) {
    RuntimeConfig config =
        RuntimeConfig.builder(backend)
            .model(MODEL, model)
            .maxContext(CONTEXT)
            .sequences(SEQUENCES)
            .memory64Bytes(1 << 20)
            .savedSequences(SequenceStorage.inFolder(saved, SAVED_BYTES))
            .build();
    SoakLoad load = new SoakLoad(new MultiRealmManager(config, DefaultGuest.bytes()));
    for (Actor actor : actors) {
      Tally tally = new Tally(actor);
      load.tallies.add(tally);
      Thread thread = new Thread(() -> load.repeat(tally), "soak-" + actor.name());
      thread.setDaemon(true);
      load.threads.add(thread);
    }
    load.threads.forEach(Thread::start);
    return load;
  }

  /// A tenant's policy as most actors want it.
  static RealmPolicy policy() {
    return policy(ResourceLimits.builder());
  }

  static RealmPolicy policy(ResourceLimits.Builder limits) {
    GuestLimits guest =
        GuestLimits.DEFAULT
            .withDeadline(Duration.ofSeconds(30))
            .withCpuTime(Duration.ofMillis(SPINNING_MILLIS));
    return RealmPolicy.of(limits.guest(guest).maxSequences(16).build())
        .withFallback(false)
        .withBreaker(3, Duration.ofMillis(300));
  }

  private void repeat(Tally tally) {
    Actor actor = tally.actor;
    for (long round = 0; !over.get(); round++) {
      gate.readLock().lock();
      try {
        tally.count(end(actor, round));
      } catch (InterruptedException e) {
        // Nobody ends an actor so: it is what one of its own acts left behind.
        fail(actor, round, e);
      } finally {
        gate.readLock().unlock();
      }
      LockSupport.parkNanos(actor.pauseMillis() * 1_000_000);
    }
  }

  private String end(Actor actor, long round) throws InterruptedException {
    try {
      actor.act().run(realms, round);
      return "ok";
    } catch (RealmException e) {
      if (!actor.expected().contains(e.code())) {
        fail(actor, round, e);
      }
      return e.code();
    } catch (RuntimeException | Error e) {
      fail(actor, round, e);
      return "failed";
    }
  }

  private void fail(Actor actor, long round, Throwable e) {
    if (failures.size() < MOST_FAILURES) {
      failures.add("%s, round %d: %s".formatted(actor.name(), round, e));
    }
  }

  /// Takes a look while no actor is in an act. How many instances of guests wait for calls just then depends on
  /// how the acts overlapped: they go first.
  <T> T quiet(Supplier<T> look) {
    gate.writeLock().lock();
    try {
      realms.releaseIdle();
      return look.get();
    } finally {
      gate.writeLock().unlock();
    }
  }

  /// How the acts of each actor ended, by `ok` or an error's code.
  Map<String, Map<String, Long>> ends() {
    Map<String, Map<String, Long>> all = new TreeMap<>();
    tallies.forEach(tally -> all.put(tally.actor.name(), new TreeMap<>(tally.ends())));
    return all;
  }

  /// What should not have happened, some of it.
  List<String> failures() {
    return List.copyOf(failures);
  }

  @Override
  public void close() throws InterruptedException {
    over.set(true);
    for (Thread thread : threads) {
      thread.join(JOIN_MILLIS);
      if (thread.isAlive()) {
        failures.add(thread.getName() + ": does not end");
      }
    }
    realms.close();
  }
}
