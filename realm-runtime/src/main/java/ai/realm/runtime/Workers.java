package ai.realm.runtime;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The workers of a runtime: one for each tenant that runs its guests isolated, or for each group that
/// tenants' policies name. A worker is started when it is first needed, ends with the last realm that
/// uses it, and is started anew after it was lost.
final class Workers implements AutoCloseable {
  /// Processes at once: each costs tens of megabytes.
  private static final int MOST = 256;

  /// Starts a worker.
  @FunctionalInterface
  interface Launcher {
    WorkerProcess start(Isolation.Worker isolation, List<HostFunction> functions);
  }

  private final Launcher launcher;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<String, Slot> slots = new HashMap<>();
  private boolean closed;

  Workers() {
    this(WorkerProcess::start);
  }

  Workers(Launcher launcher) {
    this.launcher = launcher;
  }

  /// The worker of a realm, which [Slot#close] leaves.
  ///
  /// @throws LimitException `WORKER_LIMIT`
  Slot join(TenantId tenant, Isolation.Worker isolation) {
    // A tenant can name no group of another's making.
    String key =
        isolation.group().isEmpty() ? "tenant " + tenant.name() : "group " + isolation.group();
    lock.lock();
    try {
      if (closed) {
        throw new IllegalStateException("the runtime is closed");
      }
      Slot present = slots.get(key);
      if (present == null) {
        if (slots.size() >= MOST) {
          throw new LimitException("WORKER_LIMIT", "at most " + MOST + " workers", 0);
        }
        present = new Slot(key, isolation);
        slots.put(key, present);
      }
      present.users++;
      return present;
    } finally {
      lock.unlock();
    }
  }

  private void leave(Slot slot) {
    boolean last;
    lock.lock();
    try {
      slot.users--;
      last = slot.users == 0;
      if (last) {
        slots.remove(slot.key);
      }
    } finally {
      lock.unlock();
    }
    if (last) {
      slot.end();
    }
  }

  @Override
  public void close() {
    List<Slot> ending;
    lock.lock();
    try {
      closed = true;
      ending = List.copyOf(slots.values());
      slots.clear();
    } finally {
      lock.unlock();
    }
    ending.forEach(Slot::end);
  }

  /// Where a worker is, or will be.
  final class Slot implements AutoCloseable {
    private final String key;
    private final Isolation.Worker isolation;
    private final ReentrantLock starting = new ReentrantLock();
    private final AtomicInteger starts = new AtomicInteger();
    private @Nullable WorkerProcess process;
    private boolean ended;
    private int users;

    private Slot(String key, Isolation.Worker isolation) {
      this.key = key;
      this.isolation = isolation;
    }

    /// The worker, started if there is none.
    WorkerProcess worker(List<HostFunction> functions) {
      starting.lock();
      try {
        if (ended) {
          throw new GuestTrapException("GUEST_CANCELLED", "worker: the realm was removed");
        }
        WorkerProcess present = process;
        if (present == null || !present.isAlive()) {
          if (present != null) {
            present.close();
          }
          present = launcher.start(isolation, functions);
          process = present;
          starts.incrementAndGet();
        }
        return present;
      } finally {
        starting.unlock();
      }
    }

    /// The process, where there is one.
    @Nullable WorkerProcess present() {
      starting.lock();
      try {
        return process;
      } finally {
        starting.unlock();
      }
    }

    /// How often a process was started.
    int starts() {
      return starts.get();
    }

    private void end() {
      starting.lock();
      try {
        ended = true;
        if (process != null) {
          process.close();
          process = null;
        }
      } finally {
        starting.unlock();
      }
    }

    @Override
    public void close() {
      leave(this);
    }
  }
}
