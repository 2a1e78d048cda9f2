package ai.realm.runtime;

import ai.realm.error.RealmException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// One running guest: an instance of a module with what it has open, and another after a call that ended
/// badly. Calls are made one at a time; [#cancel] and [#close] may come from any thread.
final class GuestSession implements AutoCloseable {
  /// How long a closing session waits for its guest to end by itself, and then for it to be interrupted.
  private static final Duration COOPERATION = Duration.ofMillis(300);

  private static final Duration GRACE = Duration.ofSeconds(1);

  private final Realm realm;
  private final GuestEngine.Module module;
  private final GuestThread thread;
  private final ReentrantLock lock = new ReentrantLock();
  private final AtomicInteger discards = new AtomicInteger();
  private volatile @Nullable GuestInstance instance;
  private volatile @Nullable HostTrace trace;
  private volatile @Nullable Call current;
  private volatile boolean closed;

  GuestSession(Realm realm, GuestEngine.Module module) {
    this.realm = realm;
    this.module = module;
    this.thread =
        new GuestThread("realm-" + realm.tenant().name(), realm.limits().guest().stackBytes());
  }

  /// Hands every host call to a trace.
  void trace(@Nullable HostTrace next) {
    trace = next;
    GuestInstance present = instance;
    if (present != null) {
      present.trace(next);
    }
  }

  GuestEngine.Module module() {
    return module;
  }

  /// Whether the host has a model of that name.
  boolean hasModel(String name) {
    return realm.models().has(name);
  }

  /// Calls an exported function; the caller has been admitted by the realm's quota.
  ///
  /// @throws GuestTrapException when the guest traps, exceeds a limit or is closed
  /// @throws GuestFormatException when it exports no such function
  /// @throws LimitException `GUEST_BUSY` when other calls, or the one whose tool this is, keep it for longer
  ///     than a call may take; `CALL_DEPTH`; `ARGUMENT_LIMIT`
  CallResult call(String name, GuestOutput output, Object... arguments) {
    try {
      List<byte[]> texts = Call.texts(arguments);
      NestedCalls nested = NestedCalls.into(this, realm.tenant());
      lockWithin(realm.limits().guest().deadline());
      try {
        return call(nested, new Call(texts, output, realm), name, arguments);
      } finally {
        lock.unlock();
      }
    } catch (RuntimeException | Error e) {
      realm.meter().failed.increment();
      throw e;
    }
  }

  private CallResult call(NestedCalls nested, Call call, String name, Object... arguments) {
    GuestInstance guest = present();
    RealmException refusal;
    try {
      current = call;
      // Whoever closes it says so before looking for a call to end.
      if (closed) {
        throw new GuestTrapException("GUEST_CANCELLED", "guest: ended before the call began");
      }
      guest.begin(call);
      long value =
          thread.run(() -> nested.run(() -> guest.call(name, arguments)), call, realm.quota());
      refusal = call.refusal(value);
      if (refusal == null) {
        return call.result(value);
      }
    } catch (GuestFormatException e) {
      // The guest did not run.
      throw e;
    } catch (RuntimeException | Error e) {
      // What the guest left half done must not meet the next call.
      discardInstance();
      throw e;
    } finally {
      call.finish();
      guest.end();
      current = null;
      if (closed) {
        discardInstance();
        thread.close();
      }
    }
    // The guest gave up in good order.
    throw refusal;
  }

  private void lockWithin(Duration time) {
    try {
      if (lock.tryLock(time.toNanos(), TimeUnit.NANOSECONDS)) {
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GuestTrapException("GUEST_CANCELLED", "guest: the caller was interrupted", e);
    }
    throw new LimitException(
        "GUEST_BUSY", realm.tenant() + ": other calls kept the guest for " + time, 0);
  }

  private GuestInstance present() {
    GuestInstance present = instance;
    if (present == null) {
      present = new GuestInstance(realm, module);
      present.trace(trace);
      instance = present;
    }
    return present;
  }

  private void discardInstance() {
    GuestInstance present = instance;
    instance = null;
    if (present != null) {
      discards.incrementAndGet();
      present.close();
    }
  }

  /// How often what the guest had open went, with its instance.
  int discards() {
    return discards.get();
  }

  /// Ends the call in progress within one step: the guest's next host function answers `ECANCELED`.
  /// Without one nothing happens.
  void cancel() {
    Call running = current;
    if (running != null) {
      running.cancel();
    }
  }

  /// Ends the call in progress: within one step, or by an interrupt where the guest asks nothing of the
  /// host any more.
  @Override
  public void close() {
    closeAll(List.of(this));
  }

  /// Closes many within the time of one: about a second, whatever their guests do. Where a thread does not
  /// stop by then, what its guest has open is closed under it, and the rest goes when it does stop.
  static void closeAll(Collection<GuestSession> sessions) {
    for (GuestSession session : sessions) {
      session.closed = true;
      session.cancel();
    }
    long until = System.nanoTime() + COOPERATION.toNanos();
    List<GuestSession> busy = busyAfter(sessions, until);
    long giveUp = System.nanoTime() + GRACE.toNanos();
    while (!busy.isEmpty() && System.nanoTime() - giveUp < 0) {
      // Again and again: the host's code may swallow an interrupt.
      busy.forEach(GuestSession::interrupt);
      busy = busyAfter(busy, System.nanoTime() + GuestThread.INTERRUPT_AGAIN.toNanos());
    }
    busy.forEach(GuestSession::discardInstance);
  }

  /// Ends those that no call keeps until then, and returns the others.
  private static List<GuestSession> busyAfter(Collection<GuestSession> sessions, long untilNanos) {
    return sessions.stream().filter(s -> !s.endWithin(untilNanos)).toList();
  }

  private void interrupt() {
    Call running = current;
    if (running != null) {
      running.interrupt();
    }
  }

  /// Ends the session where no call keeps it until then.
  private boolean endWithin(long untilNanos) {
    if (!isIdleWithin(untilNanos - System.nanoTime())) {
      return false;
    }
    try {
      discardInstance();
      thread.close();
      return true;
    } finally {
      lock.unlock();
    }
  }

  private boolean isIdleWithin(long nanos) {
    try {
      return lock.tryLock(Math.max(0, nanos), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return lock.tryLock();
    }
  }
}
