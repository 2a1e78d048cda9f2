package ai.realm.runtime;

import ai.realm.error.RealmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// One running guest: an instance of a module with what it has open. Calls are made one at a time;
/// [#cancel] may come from any thread.
final class GuestSession implements AutoCloseable {
  /// How long a closing session waits for its guest to end by itself.
  private static final Duration COOPERATION = Duration.ofMillis(300);

  private final Realm realm;
  private final GuestEngine.Module module;
  private final GuestState state;
  private final HostFunctions hostFunctions;
  private final GuestThread thread;
  private final ReentrantLock lock = new ReentrantLock();
  private GuestEngine.@Nullable Instance instance;
  private volatile @Nullable Call current;
  private boolean closed;

  GuestSession(Realm realm, GuestEngine.Module module) {
    this.realm = realm;
    this.module = module;
    this.state = new GuestState(realm);
    this.hostFunctions = new HostFunctions(state);
    this.thread =
        new GuestThread("realm-" + realm.tenant().name(), realm.limits().guest().stackBytes());
  }

  /// Hands every host call to a trace.
  void trace(@Nullable HostTrace next) {
    hostFunctions.trace(next);
  }

  GuestEngine.Module module() {
    return module;
  }

  /// Calls an exported function; the caller has been admitted by the realm's quota.
  ///
  /// @throws GuestTrapException when the guest traps, or exceeds a limit
  /// @throws GuestFormatException when it exports no such function
  /// @throws LimitException when an argument is too long
  CallResult call(String name, GuestOutput output, Object... arguments) {
    List<byte[]> texts = Call.texts(arguments);
    lock.lock();
    Call call = new Call(texts, output, realm);
    RealmException refusal;
    try {
      if (closed) {
        throw new IllegalStateException("the guest is closed");
      }
      current = call;
      state.begin(call);
      long value = thread.run(() -> invoke(name, arguments), call, realm.quota());
      refusal = call.refusal(value);
      if (refusal == null) {
        return call.result(value);
      }
    } catch (GuestFormatException e) {
      // The guest did not run.
      throw e;
    } catch (RuntimeException | Error e) {
      realm.meter().failed.increment();
      // What the guest left half done must not meet the next call.
      discardInstance();
      throw e;
    } finally {
      call.finish();
      state.end();
      current = null;
      lock.unlock();
    }
    // The guest gave up in good order.
    realm.meter().failed.increment();
    throw refusal;
  }

  private long invoke(String name, Object... arguments) {
    GuestEngine.Instance guest = instance;
    if (guest == null) {
      guest = module.instantiate(hostFunctions, realm);
      instance = guest;
    }
    int parameters = guest.parameters(name);
    if (parameters < 0) {
      throw new GuestFormatException("guest: exports no function " + name);
    }
    List<Long> numbers = new ArrayList<>();
    for (Object argument : arguments) {
      if (argument instanceof Number number) {
        numbers.add(number.longValue() & 0xffff_ffffL);
      }
    }
    if (numbers.size() != parameters) {
      throw new GuestFormatException(
          "guest function %s: expected %d numbers, found %d"
              .formatted(name, parameters, numbers.size()));
    }
    return guest.call(name, numbers.stream().mapToLong(Long::longValue).toArray());
  }

  private void discardInstance() {
    state.close();
    GuestEngine.Instance present = instance;
    if (present != null) {
      present.close();
      instance = null;
    }
  }

  /// Whether a call ended badly, so that what the guest had open is gone.
  boolean isFresh() {
    lock.lock();
    try {
      return instance == null;
    } finally {
      lock.unlock();
    }
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
    Call running = current;
    cancel();
    if (running != null && !isIdleWithin(COOPERATION)) {
      running.interrupt();
    }
    lock.lock();
    try {
      closed = true;
      discardInstance();
      thread.close();
    } finally {
      lock.unlock();
    }
  }

  private boolean isIdleWithin(Duration time) {
    try {
      boolean idle = lock.tryLock(time.toNanos(), TimeUnit.NANOSECONDS);
      if (idle) {
        lock.unlock();
      }
      return idle;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
