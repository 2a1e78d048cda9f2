package ai.realm.runtime;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// An instance of a guest's module with what it has open, made by its first call. One call at a time.
///
/// It may be closed while a thread is still in it that does not stop: what the guest has open is closed at
/// once and nothing more can be opened; the linear memory goes when the thread leaves. Nothing of it is
/// shared with the instance that comes after.
final class GuestInstance implements AutoCloseable {
  private final Realm realm;
  private final GuestEngine.Module module;
  private final GuestState state;
  private final HostFunctions functions;
  private final ReentrantLock lock = new ReentrantLock();
  private GuestEngine.@Nullable Instance instance;
  private boolean entered;
  private boolean closed;

  GuestInstance(Realm realm, GuestEngine.Module module) {
    this.realm = realm;
    this.module = module;
    this.state = new GuestState(realm);
    this.functions = new HostFunctions(state);
  }

  /// Hands every host call to a trace.
  void trace(@Nullable HostTrace next) {
    functions.trace(next);
  }

  void begin(Call call) {
    state.begin(call);
  }

  void end() {
    state.end();
  }

  /// Calls an exported function, on the guest's thread.
  ///
  /// @throws GuestFormatException when it exports no such function
  long call(String name, Object... arguments) {
    GuestEngine.Instance guest = enter();
    try {
      if (guest == null) {
        guest = make();
      }
      return guest.call(name, numbers(guest, name, arguments));
    } finally {
      leave();
    }
  }

  private static long[] numbers(GuestEngine.Instance guest, String name, Object... arguments) {
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
    return numbers.stream().mapToLong(Long::longValue).toArray();
  }

  private GuestEngine.@Nullable Instance enter() {
    lock.lock();
    try {
      if (closed) {
        throw new GuestTrapException("GUEST_CANCELLED", "guest: ended before the call began");
      }
      entered = true;
      return instance;
    } finally {
      lock.unlock();
    }
  }

  private GuestEngine.Instance make() {
    GuestEngine.Instance made = module.instantiate(functions, realm);
    lock.lock();
    try {
      instance = made;
    } finally {
      lock.unlock();
    }
    return made;
  }

  private void leave() {
    GuestEngine.Instance over;
    lock.lock();
    try {
      entered = false;
      over = closed ? take() : null;
    } finally {
      lock.unlock();
    }
    if (over != null) {
      over.close();
    }
  }

  private GuestEngine.@Nullable Instance take() {
    GuestEngine.Instance present = instance;
    instance = null;
    return present;
  }

  @Override
  public void close() {
    GuestEngine.Instance over;
    lock.lock();
    try {
      closed = true;
      over = entered ? null : take();
    } finally {
      lock.unlock();
    }
    state.abandon();
    if (over != null) {
      over.close();
    }
  }
}
