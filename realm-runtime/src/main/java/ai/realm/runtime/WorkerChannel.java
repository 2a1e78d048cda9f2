package ai.realm.runtime;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Messages between the host and one guest in a worker, through memory that both map.
///
/// ```
///      0 messages to the worker so far | 64 to the host
///    128 the host sleeps | 192 the worker sleeps | 256 CPU nanoseconds of the guest's thread
///   1024 the message to the worker: length, kind, … | 8704 the message to the host
///  16384 the guest's linear memory
/// ```
/// There is at most one message each way. A message is copied out once, its length checked, before anything
/// in it is believed. Who waits spins for a moment if the wait before was short, then announces that it
/// sleeps and blocks on a socket, which the other side writes a byte to. One thread at a time on each side.
final class WorkerChannel implements AutoCloseable {
  /// Bytes before the guest's memory.
  static final int CONTROL_BYTES = 16 << 10;

  /// What a message holds at most.
  static final int MESSAGE_BYTES = 7 << 10;

  /// The other side is not there any more, or does not keep to the protocol.
  static final class BrokenException extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean gone;

    /// The other side does not keep to the protocol.
    BrokenException(String message) {
      super(message);
      this.gone = false;
    }

    private BrokenException(@Nullable IOException cause) {
      super("the other side is gone", cause);
      this.gone = true;
    }

    /// Whether the other side has hung up.
    boolean isGone() {
      return gone;
    }
  }

  private static final long TO_WORKER = 0;
  private static final long TO_HOST = 64;
  private static final long HOST_SLEEPS = 128;
  private static final long WORKER_SLEEPS = 192;
  private static final long CPU_NANOS = 256;
  private static final long MESSAGE_TO_WORKER = 1024;
  private static final long MESSAGE_TO_HOST = MESSAGE_TO_WORKER + 7680;

  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();

  private static final long SPIN_NANOS = 50_000;
  private static final long LONGEST_SLEEP_MILLIS = 1_000;
  private static final int MAX_TEXT_BYTES = 1024;

  private final MemorySegment control;
  private final SocketChannel bell;
  private final Selector selector;
  private final boolean host;
  private final ByteBuffer ring = ByteBuffer.allocateDirect(1);
  private final ByteBuffer rung = ByteBuffer.allocateDirect(64);
  private final ByteBuffer out = ByteBuffer.allocate(MESSAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private final ByteBuffer in = ByteBuffer.allocate(MESSAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private long sent;
  private long received;
  private long lastWaitNanos;
  private long lastSpunNanos;
  private volatile long spunNanos;
  private volatile long seenCpuNanos;

  private WorkerChannel(
      MemorySegment control, SocketChannel bell, Selector selector, boolean host) {
    this.control = control;
    this.bell = bell;
    this.selector = selector;
    this.host = host;
  }

  /// @param control the shared memory, of which the first [#CONTROL_BYTES] are the channel's
  /// @param bell connected to the other side; closed with the channel, or where there is none
  static WorkerChannel open(MemorySegment control, SocketChannel bell, boolean host)
      throws IOException {
    Selector selector = null;
    try {
      selector = Selector.open();
      bell.configureBlocking(false);
      bell.register(selector, SelectionKey.OP_READ);
      return new WorkerChannel(control.asSlice(0, CONTROL_BYTES), bell, selector, host);
    } catch (IOException e) {
      if (selector != null) {
        selector.close();
      }
      bell.close();
      throw e;
    }
  }

  /// Begins a message; its fields are put behind the kind.
  ByteBuffer message(int kind) {
    return out.clear().putInt(kind);
  }

  /// Puts a text, cut where it is long.
  static void put(ByteBuffer to, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(utf8.length, MAX_TEXT_BYTES);
    to.putInt(length).put(utf8, 0, length);
  }

  /// Reads a text: whatever its bytes are, without control characters.
  static String text(ByteBuffer from) throws BrokenException {
    int length = from.remaining() < 4 ? -1 : from.getInt();
    if (length < 0 || length > Math.min(MAX_TEXT_BYTES, from.remaining())) {
      throw new BrokenException("expected a text of at most 1024 bytes, found " + length);
    }
    String text = new String(from.array(), from.position(), length, StandardCharsets.UTF_8);
    from.position(from.position() + length);
    return text.codePoints()
        .map(c -> Character.isISOControl(c) ? '\ufffd' : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /// Sends the message that was begun.
  void send() {
    out.flip();
    long at = host ? MESSAGE_TO_WORKER : MESSAGE_TO_HOST;
    MemorySegment.copy(
        out.array(), 0, control, ValueLayout.JAVA_BYTE, at + Integer.BYTES, out.limit());
    control.set(ValueLayout.JAVA_INT, at, out.limit());
    LONG.setRelease(control, host ? TO_WORKER : TO_HOST, ++sent);
    VarHandle.fullFence();
    if ((int) INT.getOpaque(control, host ? WORKER_SLEEPS : HOST_SLEEPS) != 0) {
      ringBell();
    }
  }

  private void ringBell() {
    try {
      // What does not fit is not needed: the other side has bells to hear.
      bell.write(ring.clear());
    } catch (IOException e) {
      // Nobody listens any more: whoever waits for the answer finds out.
    }
  }

  /// The next message, which is valid until the one after; null when none came by then or the thread was
  /// interrupted while it slept, which keeps the interrupt.
  ///
  /// @throws BrokenException when none can come
  @Nullable ByteBuffer receive(long deadlineNanos) throws BrokenException {
    long started = System.nanoTime();
    ByteBuffer present = spin(started);
    countSpun(System.nanoTime() - started);
    present = present == null ? sleep(deadlineNanos) : present;
    lastWaitNanos = System.nanoTime() - started;
    return present;
  }

  @SuppressWarnings("NonAtomicVolatileUpdate") // Written by the waiting thread only.
  private void countSpun(long nanos) {
    lastSpunNanos = Math.min(nanos, SPIN_NANOS);
    spunNanos += lastSpunNanos;
  }

  private @Nullable ByteBuffer spin(long started) throws BrokenException {
    long most = lastWaitNanos > 2 * SPIN_NANOS ? 0 : SPIN_NANOS;
    do {
      if (hasArrived()) {
        return take();
      }
      Thread.onSpinWait();
    } while (System.nanoTime() - started < most);
    return null;
  }

  private @Nullable ByteBuffer sleep(long deadlineNanos) throws BrokenException {
    long sleeps = host ? HOST_SLEEPS : WORKER_SLEEPS;
    boolean gone = false;
    while (true) {
      INT.setVolatile(control, sleeps, 1);
      VarHandle.fullFence();
      try {
        if (hasArrived()) {
          return take();
        }
        if (gone) {
          throw new BrokenException((IOException) null);
        }
        long left = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - System.nanoTime());
        if (left <= 0 || Thread.currentThread().isInterrupted()) {
          return null;
        }
        selector.select(Math.min(left, LONGEST_SLEEP_MILLIS));
        selector.selectedKeys().clear();
        gone = bell.read(rung.clear()) < 0;
      } catch (IOException e) {
        throw new BrokenException(e);
      } finally {
        INT.setOpaque(control, sleeps, 0);
      }
    }
  }

  private boolean hasArrived() throws BrokenException {
    long count = (long) LONG.getAcquire(control, host ? TO_HOST : TO_WORKER);
    if (count == received) {
      return false;
    }
    if (count != received + 1) {
      throw new BrokenException("expected message %d, found %d".formatted(received + 1, count));
    }
    return true;
  }

  private ByteBuffer take() throws BrokenException {
    received++;
    long at = host ? MESSAGE_TO_HOST : MESSAGE_TO_WORKER;
    int length = control.get(ValueLayout.JAVA_INT, at);
    if (length < Integer.BYTES || length > MESSAGE_BYTES) {
      throw new BrokenException("expected a message of 4 to 7168 bytes, found " + length);
    }
    MemorySegment.copy(control, ValueLayout.JAVA_BYTE, at + Integer.BYTES, in.array(), 0, length);
    if (host) {
      settle();
    }
    return in.clear().limit(length);
  }

  /// Tells the host what CPU time the guest's thread has used, without what it spun.
  ///
  /// @param nanos all of the thread's
  void publishCpu(long nanos) {
    LONG.setOpaque(control, CPU_NANOS, nanos - spunNanos);
  }

  /// What the worker says that the guest's thread has used; what it said last where it took the page away or
  /// the line is closed. For any thread.
  long cpuNanos() {
    try {
      long said = (long) LONG.getOpaque(control, CPU_NANOS);
      settle();
      seenCpuNanos = said;
    } catch (InternalError | IllegalStateException e) {
      // Whoever uses the line finds out.
    }
    return seenCpuNanos;
  }

  /// Has the JVM report an access to memory that the other side took away here, and not anywhere later in
  /// what the thread does: compiled code goes on after such an access, up to where it leaves or calls what is
  /// not Java, as this does.
  ///
  /// @throws InternalError when one failed since
  static void settle() {
    boolean unused = Thread.holdsLock(LONG);
  }

  /// How long the last wait spun: CPU time that was nobody's work. What it slept is none.
  long lastSpunNanos() {
    return lastSpunNanos;
  }

  /// How long all waits spun. For any thread.
  long spunNanos() {
    return spunNanos;
  }

  @Override
  public void close() {
    try (bell) {
      selector.close();
    } catch (IOException e) {
      // A selector and a socket that cannot be closed are gone already.
    }
  }
}
