package ai.realm.runtime;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A worker: a JVM that runs guests of a tenant and nothing else. The host starts it ([WorkerProcess]),
/// names instances to open and interrupt on its standard input, and talks with each instance through a
/// [WorkerChannel] of its own. When the input ends, so does the worker.
final class WorkerMain {
  /// Commands on the standard input.
  static final int OPEN = 1;

  static final int INTERRUPT = 2;
  static final int STAND_BACK = 3;

  private static final int KEPT_MODULES = 16;
  private static final long PUBLISH_NANOS = 10_000_000;

  /// A host function: the host knows it by its number.
  record Numbered(int number, HostFunction function) {}

  private final Map<String, Numbered> functions;
  private final Map<Integer, WorkerGuest> guests = new ConcurrentHashMap<>();
  private final Map<String, EndiveGuestEngine.EndiveModule> modules =
      new LinkedHashMap<>(16, 0.75f, true);
  private final ReentrantLock lock = new ReentrantLock();
  private final Thread publisher = new Thread(this::publish, "realm-worker-cpu");

  private WorkerMain(Map<String, Numbered> functions) {
    this.functions = Map.copyOf(functions);
  }

  public static void main(String[] arguments) throws IOException {
    // An interrupt from the terminal reaches the host as well, and what becomes of the guest is for
    // the
    // host to say: a signal's way to end this process waits for the main thread.
    Thread main = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> awaitEnd(main), "realm-worker-signal"));
    try (DataInputStream in = new DataInputStream(new BufferedInputStream(System.in))) {
      new WorkerMain(readFunctions(in)).serve(in);
    } finally {
      // Whatever guests do, with the host gone there is nobody to do it for.
      Runtime.getRuntime().halt(0);
    }
  }

  private static void awaitEnd(Thread main) {
    try {
      main.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static Map<String, Numbered> readFunctions(DataInputStream in) throws IOException {
    Map<String, Numbered> functions = new HashMap<>();
    int count = in.readInt();
    for (int i = 0; i < count; i++) {
      HostFunction function =
          new HostFunction(in.readUTF(), in.readInt(), HostStack.CALL_BYTES, WorkerMain::elsewhere);
      functions.put(function.name(), new Numbered(i, function));
    }
    return functions;
  }

  private static int elsewhere(GuestMemory memory, int[] arguments) {
    throw new IllegalStateException("host functions run in the host");
  }

  private void serve(DataInputStream in) throws IOException {
    publisher.setDaemon(true);
    publisher.start();
    try {
      while (true) {
        switch (in.readInt()) {
          case OPEN -> open(WorkerGuest.Opening.read(in));
          case INTERRUPT -> {
            WorkerGuest guest = guests.get(in.readInt());
            if (guest != null) {
              guest.interrupt();
            }
          }
          case STAND_BACK -> CompilerThreads.standBack();
          default -> throw new IOException("worker: unknown command");
        }
      }
    } catch (EOFException e) {
      // The host is done.
    }
  }

  private void open(WorkerGuest.Opening opening) {
    WorkerGuest guest = new WorkerGuest(opening, this);
    guests.put(opening.id(), guest);
    guest.start();
  }

  void ended(int id) {
    guests.remove(id);
  }

  @Nullable Numbered function(String name) {
    return functions.get(name);
  }

  /// Reads and compiles a module, one at a time.
  void load(String digest, byte[] wasm) {
    lock.lock();
    try {
      if (!modules.containsKey(digest)) {
        GuestLimits any = GuestLimits.DEFAULT.withMaxModuleBytes(Math.max(8, wasm.length));
        modules.put(digest, new EndiveGuestEngine().load(wasm, any));
        if (modules.size() > KEPT_MODULES) {
          modules.remove(modules.keySet().iterator().next());
        }
      }
    } finally {
      lock.unlock();
    }
  }

  EndiveGuestEngine.@Nullable EndiveModule module(String digest) {
    lock.lock();
    try {
      return modules.get(digest);
    } finally {
      lock.unlock();
    }
  }

  /// A guest begins to run: its CPU time is published while it does.
  void wakePublisher() {
    LockSupport.unpark(publisher);
  }

  private void publish() {
    while (true) {
      boolean any = false;
      for (WorkerGuest guest : guests.values()) {
        any |= guest.publishCpu();
      }
      if (any) {
        LockSupport.parkNanos(PUBLISH_NANOS);
      } else {
        LockSupport.park();
      }
    }
  }
}
