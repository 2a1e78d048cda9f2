package ai.realm.runtime;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The host's end of what it shares with one instance in a worker: the channel and the memory.
final class WorkerLine implements AutoCloseable {
  /// How long a worker may take to start or to open an instance.
  private static final long OPEN_SECONDS = 30;

  private static final int ZEROS = 64 << 10;

  private final WorkerProcess worker;
  private final int id;
  private final Arena arena;
  private final FileChannel file;
  private final MemorySegment memory;
  private final WorkerChannel channel;

  private WorkerLine(
      WorkerProcess worker,
      int id,
      Arena arena,
      FileChannel file,
      MemorySegment memory,
      WorkerChannel channel) {
    this.worker = worker;
    this.id = id;
    this.arena = arena;
    this.file = file;
    this.memory = memory;
    this.channel = channel;
  }

  /// @throws IOException when the worker does not open its side; one that breaks the memory is recycled
  static WorkerLine open(
      WorkerProcess worker, int id, Path folder, long memoryBytes, long stackBytes)
      throws IOException {
    Path shared = folder.resolve("memory-" + id);
    Path socket = folder.resolve("bell-" + id);
    Arena arena = Arena.ofShared();
    FileChannel file = null;
    WorkerChannel channel = null;
    boolean done = false;
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      file =
          FileChannel.open(
              shared,
              StandardOpenOption.CREATE_NEW,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE);
      MemorySegment whole =
          file.map(
              FileChannel.MapMode.READ_WRITE, 0, WorkerChannel.CONTROL_BYTES + memoryBytes, arena);
      allocate(file, 0, WorkerChannel.CONTROL_BYTES);
      server.bind(UnixDomainSocketAddress.of(socket), 1);
      worker.tellToOpen(
          new WorkerGuest.Opening(id, shared.toString(), socket.toString(), stackBytes));
      channel = WorkerChannel.open(whole, accept(server, worker), true);
      WorkerLine line =
          new WorkerLine(
              worker, id, arena, file, whole.asSlice(WorkerChannel.CONTROL_BYTES), channel);
      line.awaitReady();
      done = true;
      return line;
    } catch (InternalError e) {
      throw new IOException(worker.truncated());
    } finally {
      if (!done) {
        close(channel, arena, file);
      }
      Files.deleteIfExists(shared);
      Files.deleteIfExists(socket);
    }
  }

  /// Nothing of a line stays open, or every tenant would be without descriptors before long.
  private static void close(
      @Nullable WorkerChannel channel, Arena arena, @Nullable FileChannel file) {
    try (file) {
      if (channel != null) {
        channel.close();
      }
      arena.close();
    } catch (IOException e) {
      // It has no name any more; the last to close it gives its memory back.
    }
  }

  /// Writes zeros, so that memory that the machine does not have is an error here and no fault later.
  private static void allocate(FileChannel file, long from, long bytes) throws IOException {
    ByteBuffer zeros = ByteBuffer.allocateDirect((int) Math.min(ZEROS, Math.max(1, bytes)));
    for (long at = from; at < from + bytes; ) {
      zeros.clear().limit((int) Math.min(zeros.capacity(), from + bytes - at));
      at += file.write(zeros, at);
    }
  }

  private static SocketChannel accept(ServerSocketChannel server, WorkerProcess worker)
      throws IOException {
    server.configureBlocking(false);
    long giveUp = System.nanoTime() + TimeUnit.SECONDS.toNanos(OPEN_SECONDS);
    try (Selector selector = Selector.open()) {
      server.register(selector, SelectionKey.OP_ACCEPT);
      while (true) {
        SocketChannel accepted = server.accept();
        if (accepted != null) {
          return accepted;
        }
        if (!worker.isAlive()) {
          throw new IOException("the worker ended while it started");
        }
        if (System.nanoTime() - giveUp > 0 || Thread.currentThread().isInterrupted()) {
          throw new IOException("the worker did not open an instance in time");
        }
        selector.select(100);
        selector.selectedKeys().clear();
      }
    }
  }

  private void awaitReady() throws IOException {
    try {
      ByteBuffer message =
          channel.receive(System.nanoTime() + TimeUnit.SECONDS.toNanos(OPEN_SECONDS));
      if (message == null || message.getInt() != WorkerMessage.READY) {
        throw new IOException("the worker did not open an instance in time");
      }
    } catch (WorkerChannel.BrokenException e) {
      throw new IOException("the worker did not open an instance", e);
    }
  }

  WorkerProcess worker() {
    return worker;
  }

  WorkerChannel channel() {
    return channel;
  }

  /// What the worker says that the line's guest has used, within what is possible.
  ///
  /// @param most nanoseconds that its process has used
  long cpuNanos(long most) {
    return Math.clamp(channel.cpuNanos(), 0, most);
  }

  void interruptGuest() {
    worker.interrupt(id);
  }

  /// What both map as the guest's memory.
  MemorySegment memory() {
    return memory;
  }

  /// Backs a range of the memory. Returns false when the machine has no more.
  boolean allocate(long from, long bytes) {
    try {
      allocate(file, WorkerChannel.CONTROL_BYTES + from, bytes);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /// Copies a module to where the worker finds it, in memory that is backed first: a machine without any
  /// refuses here, where writing to it would fail like memory that a worker took away.
  ///
  /// @throws GuestTrapException `MEMORY_LIMIT`
  void put(byte[] bytes) {
    if (!allocate(0, bytes.length)) {
      throw new GuestTrapException(
          "MEMORY_LIMIT",
          "worker: the machine has no memory for the %d bytes of a guest".formatted(bytes.length));
    }
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, memory, 0, bytes.length);
  }

  @Nullable ByteBuffer receive(long deadlineNanos) throws WorkerChannel.BrokenException {
    return channel.receive(deadlineNanos);
  }

  /// Tells the instance to end; where the worker is gone nobody hears.
  @Override
  public void close() {
    worker.closes(this);
    channel.message(WorkerMessage.CLOSE);
    try {
      channel.send();
      WorkerChannel.settle();
    } catch (InternalError e) {
      // The worker took the file from under us: nothing is lost that was not lost already.
      worker.recycle("truncated the memory that it shares");
    } finally {
      close(channel, arena, file);
    }
  }
}
