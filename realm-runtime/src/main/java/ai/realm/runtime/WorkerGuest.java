package ai.realm.runtime;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import run.endive.wasm.types.MemoryLimits;

/// One instance in a worker, on a thread of its own: it does what the host's messages say and sends the
/// guest's host calls back.
final class WorkerGuest {
  /// Reading and compiling nests deeper than guests may.
  private static final long LOADING_STACK_BYTES = 8 << 20;

  private static final long FOR_EVER_NANOS = Long.MAX_VALUE / 4;

  /// What the host says to open.
  ///
  /// @param id the instance's number
  /// @param file what both map
  /// @param socket where the host waits
  /// @param stackBytes of the guest's thread
  record Opening(int id, String file, String socket, long stackBytes) {
    static Opening read(DataInputStream in) throws IOException {
      return new Opening(in.readInt(), in.readUTF(), in.readUTF(), in.readLong());
    }

    void write(DataOutputStream out) throws IOException {
      out.writeInt(id);
      out.writeUTF(file);
      out.writeUTF(socket);
      out.writeLong(stackBytes);
    }
  }

  /// A host function failed: the guest ends here.
  private static final class AbortedException extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private final Opening opening;
  private final WorkerMain worker;
  private final Thread thread;
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable WorkerChannel channel;
  private @Nullable MemorySegment memory;
  private GuestEngine.@Nullable Instance instance;
  private volatile boolean running;

  WorkerGuest(Opening opening, WorkerMain worker) {
    this.opening = opening;
    this.worker = worker;
    long stackBytes = HostStack.beside(opening.stackBytes());
    this.thread = new Thread(null, this::run, "realm-guest-" + opening.id(), stackBytes);
    thread.setDaemon(true);
  }

  void start() {
    thread.start();
  }

  void interrupt() {
    thread.interrupt();
  }

  /// Publishes the CPU time of a guest that runs; false when it does not.
  boolean publishCpu() {
    lock.lock();
    try {
      WorkerChannel present = channel;
      if (present == null || !running) {
        return false;
      }
      present.publishCpu(ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId()));
      return true;
    } finally {
      lock.unlock();
    }
  }

  private void run() {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment shared;
      try (FileChannel file =
          FileChannel.open(
              Path.of(opening.file()), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        shared = file.map(FileChannel.MapMode.READ_WRITE, 0, file.size(), arena);
      }
      SocketChannel bell = SocketChannel.open(UnixDomainSocketAddress.of(opening.socket()));
      WorkerChannel line = WorkerChannel.open(shared, bell, false);
      memory = shared.asSlice(WorkerChannel.CONTROL_BYTES);
      lock.lock();
      try {
        channel = line;
      } finally {
        lock.unlock();
      }
      try (line) {
        line.message(WorkerMessage.READY);
        line.send();
        serve(line);
      } finally {
        lock.lock();
        try {
          channel = null;
        } finally {
          lock.unlock();
        }
      }
    } catch (IOException | WorkerChannel.BrokenException e) {
      // The host does not want this instance any more.
    } finally {
      worker.ended(opening.id());
    }
  }

  private void serve(WorkerChannel line) throws WorkerChannel.BrokenException {
    while (true) {
      ByteBuffer message = receive(line);
      int kind = message.getInt();
      switch (kind) {
        case WorkerMessage.LOAD -> {
          int length = message.getInt();
          String digest = digest(message);
          answer(line, () -> load(digest, length));
        }
        case WorkerMessage.INSTANTIATE -> {
          String digest = digest(message);
          long maxMemoryBytes = message.getLong();
          answer(line, () -> instantiate(line, digest, maxMemoryBytes));
        }
        case WorkerMessage.PARAMETERS -> {
          String name = WorkerChannel.text(message);
          answer(line, () -> instance().parameters(name));
        }
        case WorkerMessage.CALL -> {
          String name = WorkerChannel.text(message);
          long[] arguments = new long[message.getInt()];
          for (int i = 0; i < arguments.length; i++) {
            arguments[i] = message.getLong();
          }
          answer(line, () -> instance().call(name, arguments));
        }
        case WorkerMessage.CLOSE -> {
          return;
        }
        default -> throw new WorkerChannel.BrokenException("unknown message " + kind);
      }
    }
  }

  /// The next message, whether the thread is interrupted or not; an interrupt is for the guest.
  private ByteBuffer receive(WorkerChannel line) throws WorkerChannel.BrokenException {
    boolean interrupted = false;
    try {
      while (true) {
        ByteBuffer message = line.receive(System.nanoTime() + FOR_EVER_NANOS);
        if (message != null) {
          return message;
        }
        interrupted |= Thread.interrupted();
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static String digest(ByteBuffer message) {
    byte[] digest = new byte[32];
    message.get(digest);
    return HexFormat.of().formatHex(digest);
  }

  private GuestEngine.Instance instance() {
    GuestEngine.Instance present = instance;
    if (present == null) {
      throw new IllegalStateException("no instance");
    }
    return present;
  }

  private void answer(WorkerChannel line, LongSupplier work) {
    running = true;
    worker.wakePublisher();
    try {
      long value = work.getAsLong();
      line.message(WorkerMessage.DONE).putLong(value);
    } catch (GuestTrapException e) {
      ByteBuffer trap = line.message(WorkerMessage.TRAP);
      WorkerChannel.put(trap, e.code());
      WorkerChannel.put(trap, String.valueOf(e.getMessage()));
    } catch (GuestFormatException e) {
      WorkerChannel.put(line.message(WorkerMessage.REFUSED), String.valueOf(e.getMessage()));
    } catch (AbortedException e) {
      ByteBuffer trap = line.message(WorkerMessage.TRAP);
      WorkerChannel.put(trap, "GUEST_TRAP");
      WorkerChannel.put(trap, "guest: a host function failed");
    } catch (RuntimeException | StackOverflowError e) {
      WorkerChannel.put(line.message(WorkerMessage.FAILED), String.valueOf(e));
    } finally {
      running = false;
    }
    line.publishCpu(ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime());
    line.send();
  }

  private MemorySegment memory() {
    MemorySegment present = memory;
    if (present == null) {
      throw new IllegalStateException("no memory");
    }
    return present;
  }

  private long load(String digest, int length) {
    byte[] wasm = memory().asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    RuntimeException[] failure = new RuntimeException[1];
    Thread loading =
        new Thread(
            null,
            () -> {
              try {
                worker.load(digest, wasm);
              } catch (RuntimeException e) {
                failure[0] = e;
              } catch (StackOverflowError e) {
                failure[0] = new GuestFormatException("guest: nests too deep", e);
              }
            },
            "realm-loading",
            LOADING_STACK_BYTES);
    loading.setDaemon(true);
    loading.start();
    try {
      // The host bounds the time: past it, it ends this process.
      loading.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GuestTrapException("GUEST_CANCELLED", "guest: interrupted while it was loaded", e);
    }
    if (failure[0] != null) {
      throw failure[0];
    }
    return 0;
  }

  private long instantiate(WorkerChannel line, String digest, long maxMemoryBytes) {
    EndiveGuestEngine.EndiveModule module = worker.module(digest);
    if (module == null) {
      return WorkerMessage.UNKNOWN_MODULE;
    }
    instance = module.instantiate(new RemoteHost(line, maxMemoryBytes));
    return 0;
  }

  /// The host as the guest sees it from here.
  private final class RemoteHost implements GuestHost, MemoryCharge {
    private final WorkerChannel line;
    private final long maxMemoryBytes;

    RemoteHost(WorkerChannel line, long maxMemoryBytes) {
      this.line = line;
      this.maxMemoryBytes = maxMemoryBytes;
    }

    @Override
    public @Nullable HostFunction find(String name) {
      WorkerMain.Numbered numbered = worker.function(name);
      return numbered == null ? null : numbered.function();
    }

    @Override
    public int call(HostFunction function, GuestMemory memory, int[] arguments) {
      WorkerMain.Numbered numbered = worker.function(function.name());
      ByteBuffer message = line.message(WorkerMessage.HOST_CALL);
      message.putInt(numbered == null ? -1 : numbered.number()).putInt(arguments.length);
      for (int argument : arguments) {
        message.putInt(argument);
      }
      return ask(WorkerMessage.RESULT);
    }

    private int ask(int answer) {
      line.send();
      try {
        ByteBuffer message = receive(line);
        int kind = message.getInt();
        if (kind != answer) {
          throw new AbortedException();
        }
        return message.getInt();
      } catch (WorkerChannel.BrokenException e) {
        throw new AbortedException();
      }
    }

    @Override
    public LinearMemory newMemory(MemoryLimits limits) {
      return new SharedMemory(limits, memory(), this);
    }

    @Override
    public LinearMemory newTrustedMemory(MemoryLimits limits) {
      return newMemory(limits);
    }

    @Override
    public long maxMemoryBytes() {
      return maxMemoryBytes;
    }

    @Override
    public boolean take(long bytes) {
      line.message(WorkerMessage.TAKE).putLong(bytes);
      return ask(WorkerMessage.TAKEN) == 1;
    }

    @Override
    public void give(long bytes) {
      // The memory goes back with the instance.
    }

    @Override
    public GuestTrapException refusal(long bytes) {
      return new GuestTrapException(
          "MEMORY_LIMIT", "guest memory: %d bytes were not granted".formatted(bytes));
    }
  }
}
