package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.error.RealmException;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.Isolation;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.RealmPolicy;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.runtime.TenantId;
import ai.realm.wasm.DefaultGuest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/// Realms of which one is a [Neighbour]'s, whose calls go on until this is closed.
final class Neighbourhood implements AutoCloseable {
  private static final int SEQUENCES = 200;
  private static final int CONTEXT = 512;
  private static final GuestLimits LIMITS = GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(2));
  private static final long END_MILLIS = 5000;

  private final MultiRealmManager realms;
  private final AtomicBoolean over = new AtomicBoolean();
  private final List<Thread> threads = new ArrayList<>();

  Neighbourhood(Path model, Backend backend) {
    realms =
        new MultiRealmManager(
            RuntimeConfig.builder(backend)
                .model("model", model)
                .maxContext(CONTEXT)
                .sequences(SEQUENCES)
                .memory64Bytes(0)
                .limits(LIMITS)
                .build(),
            DefaultGuest.bytes());
  }

  MultiRealmManager realms() {
    return realms;
  }

  /// Makes the realm of a tenant that behaves and may have so many calls, and sequences, at once.
  void create(TenantId tenant, int atOnce) {
    realms.create(tenant, policy(atOnce).withIsolation(Isolation.inProcess()));
  }

  /// Makes the neighbour's realm and starts its calls.
  ///
  /// @param refusedPauseNanos after which a client that was refused comes again
  void start(Neighbour neighbour, long refusedPauseNanos) {
    realms.create(
        Neighbour.TENANT,
        policy(neighbour.allowed())
            .withFallback(false)
            .withBreaker(Integer.MAX_VALUE, Duration.ofSeconds(1))
            .withIsolation(Isolation.worker()));
    AtomicLong rounds = new AtomicLong();
    for (int i = 0; i < neighbour.calls(); i++) {
      repeat(() -> neighbour.act().run(realms, rounds.getAndIncrement()), refusedPauseNanos);
    }
  }

  /// Does that again and again, on a thread of its own.
  void repeat(Runnable act, long refusedPauseNanos) {
    Thread thread =
        new Thread(() -> {
          while (!over.get()) {
            try {
              act.run();
            } catch (RealmException e) {
              // What a hostile neighbour is there for.
              LockSupport.parkNanos(refusedPauseNanos);
            }
          }
        });
    thread.setDaemon(true);
    thread.start();
    threads.add(thread);
  }

  private static RealmPolicy policy(int atOnce) {
    return RealmPolicy.of(
        ResourceLimits.builder()
            .guest(LIMITS)
            .maxConcurrentCalls(atOnce)
            .maxSequences(atOnce)
            .maxQueuedSteps(16 * atOnce)
            .build());
  }

  /// Ends the calls, then the realms.
  @Override
  public void close() {
    over.set(true);
    try {
      for (Thread thread : threads) {
        thread.join(END_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      realms.close();
    }
  }
}
