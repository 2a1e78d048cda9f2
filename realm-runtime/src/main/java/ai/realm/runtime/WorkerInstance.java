package ai.realm.runtime;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import run.endive.runtime.Memory;
import run.endive.wasm.types.MemoryLimits;

/// An instance that runs in a worker, driven by the thread of the call: it sends what is to be called,
/// serves the guest's host calls until the answer comes, and interrupts the guest when it is interrupted
/// itself. Where the guest does not stop then, or the worker breaks the protocol, the worker is recycled.
final class WorkerInstance implements GuestEngine.Instance {
  /// How long an interrupted guest may take to stop before its worker is killed.
  private static final long GRACE_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

  private static final String NOT_STOPPED = "a guest did not stop when it was interrupted";

  private static final long FOR_EVER_NANOS = Long.MAX_VALUE / 4;

  /// How a worker may say that a guest ended.
  private static final Set<String> CODES =
      Set.of("GUEST_TRAP", "GUEST_MEMORY", "GUEST_CANCELLED", "MEMORY_LIMIT");

  private final WorkerLine line;
  private final WorkerChannel channel;
  private final HostFunctions host;
  private final List<HostFunction> functions;
  private final MemoryBudget budget;
  private final long maxMemoryBytes;
  private final SharedMemory memory;
  private final GuestMemory view;
  private final Map<String, Integer> parameters = new HashMap<>();
  private @Nullable RuntimeException failure;
  private @Nullable GuestTrapException refusal;
  private volatile boolean running;

  /// @param maxMemoryBytes the most that the guest's memory may have
  WorkerInstance(WorkerLine line, HostFunctions host, Realm realm, long maxMemoryBytes) {
    this.line = line;
    this.channel = line.channel();
    this.host = host;
    this.functions = host.all();
    this.budget = realm.memory().begun();
    this.maxMemoryBytes = maxMemoryBytes;
    int most = (int) (maxMemoryBytes / Memory.PAGE_SIZE);
    this.memory = new SharedMemory(new MemoryLimits(0, most), line.memory(), new Backed());
    this.view = new GuestMemory(memory);
  }

  /// Makes the instance. Returns false when the worker does not have the module.
  boolean instantiate(byte[] digest) {
    channel.message(WorkerMessage.INSTANTIATE).put(digest).putLong(maxMemoryBytes);
    return exchange() != WorkerMessage.UNKNOWN_MODULE;
  }

  @Override
  public int parameters(String function) {
    Integer known = parameters.get(function);
    if (known == null) {
      WorkerChannel.put(channel.message(WorkerMessage.PARAMETERS), function);
      known = (int) Math.clamp(exchange(), -1, Integer.MAX_VALUE);
      parameters.put(function, known);
    }
    return known;
  }

  @Override
  public long call(String function, long... arguments) {
    ByteBuffer message = channel.message(WorkerMessage.CALL);
    WorkerChannel.put(message, function);
    message.putInt(arguments.length);
    for (long argument : arguments) {
      message.putLong(argument);
    }
    return (int) exchange();
  }

  /// Sends what was begun and serves the guest until it answers. The interrupt is looked for at each
  /// message: a worker that never lets the thread wait is stopped like any other.
  private long exchange() {
    failure = null;
    refusal = null;
    long usedBefore = channel.cpuNanos();
    Call call = host.call();
    call.watchElsewhere(() -> channel.cpuNanos() - usedBefore);
    running = true;
    try {
      channel.send();
      while (true) {
        ByteBuffer message = channel.receive(System.nanoTime() + FOR_EVER_NANOS);
        if (message == null) {
          throw interrupted(0);
        }
        call.excuse(channel.lastSpunNanos());
        int kind = message.getInt();
        if (kind == WorkerMessage.DONE) {
          return message.getLong();
        }
        if (isAsked(kind) && Thread.currentThread().isInterrupted()) {
          throw interrupted(kind);
        }
        serve(kind, message, call);
      }
    } catch (WorkerChannel.BrokenException | BufferUnderflowException e) {
      throw line.worker().lost(e);
    } catch (InternalError e) {
      // A page of the shared file is not there any more.
      throw line.worker().truncated();
    } finally {
      call.watchElsewhere(null);
      running = false;
    }
  }

  private GuestTrapException interrupted(int kind) throws WorkerChannel.BrokenException {
    stop(kind);
    return new GuestTrapException("GUEST_CANCELLED", "guest: interrupted");
  }

  private void serve(int kind, ByteBuffer message, Call call) throws WorkerChannel.BrokenException {
    switch (kind) {
      case WorkerMessage.HOST_CALL -> {
        hostCall(message);
        channel.send();
      }
      case WorkerMessage.TAKE -> {
        channel.message(WorkerMessage.TAKEN).putInt(grow(message.getLong()) ? 1 : 0);
        channel.send();
      }
      case WorkerMessage.TRAP -> throw ended(message);
      case WorkerMessage.REFUSED -> throw new GuestFormatException(WorkerChannel.text(message));
      case WorkerMessage.FAILED -> {
        line.worker().recycle("failed: " + WorkerChannel.text(message));
        throw line.worker().lost(null);
      }
      default -> throw new WorkerChannel.BrokenException("an answer of unknown kind " + kind);
    }
  }

  /// Runs a host function and begins the answer.
  private void hostCall(ByteBuffer message) throws WorkerChannel.BrokenException {
    int number = message.getInt();
    int count = message.getInt();
    if (number < 0
        || number >= functions.size()
        || count != functions.get(number).parameters()
        || message.remaining() != Integer.BYTES * count) {
      throw new WorkerChannel.BrokenException(
          "a call of host function %d with %d arguments".formatted(number, count));
    }
    int[] arguments = new int[count];
    for (int i = 0; i < count; i++) {
      arguments[i] = message.getInt();
    }
    try {
      int value = host.call(functions.get(number), view, arguments);
      channel.message(WorkerMessage.RESULT).putInt(value);
    } catch (RuntimeException e) {
      failure = e;
      channel.message(WorkerMessage.ABORT);
    }
  }

  private boolean grow(long bytes) throws WorkerChannel.BrokenException {
    if (bytes < 0 || bytes % Memory.PAGE_SIZE != 0 || bytes > line.memory().byteSize()) {
      throw new WorkerChannel.BrokenException("memory of %d bytes is wanted".formatted(bytes));
    }
    boolean granted = memory.grow((int) (bytes / Memory.PAGE_SIZE)) >= 0;
    refusal = granted ? null : budget.refusal(bytes);
    return granted;
  }

  private RuntimeException ended(ByteBuffer message) throws WorkerChannel.BrokenException {
    String code = WorkerChannel.text(message);
    String text = WorkerChannel.text(message);
    RuntimeException present = failure;
    if (present != null) {
      return present;
    }
    GuestTrapException refused = refusal;
    if (refused != null && code.equals("MEMORY_LIMIT")) {
      return refused;
    }
    return new GuestTrapException(CODES.contains(code) ? code : "GUEST_TRAP", text);
  }

  /// Interrupts the guest and waits until it has stopped; what it still asks for is refused. However much
  /// that is, a guest that has not stopped in time is not waited for.
  ///
  /// @param pending the kind of the message that was not answered yet; 0 for none
  private void stop(int pending) throws WorkerChannel.BrokenException {
    // The interrupt has done its work; with it nothing could be waited for.
    boolean interrupted = Thread.interrupted();
    try {
      line.interruptGuest();
      long giveUp = System.nanoTime() + GRACE_NANOS;
      int kind = pending;
      while (kind == 0 || isAsked(kind)) {
        if (kind != 0) {
          channel.message(WorkerMessage.ABORT);
          channel.send();
        }
        if (System.nanoTime() - giveUp >= 0) {
          line.worker().recycle(NOT_STOPPED);
          return;
        }
        ByteBuffer message = channel.receive(giveUp);
        interrupted |= Thread.interrupted();
        kind = message == null ? 0 : message.getInt();
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /// Whether the guest waits for an answer, and so has not stopped.
  private static boolean isAsked(int kind) {
    return kind == WorkerMessage.HOST_CALL || kind == WorkerMessage.TAKE;
  }

  /// Where a call still runs it has been given up: the worker goes too, as nobody could stop its guest.
  @Override
  public void close() {
    if (running) {
      line.worker().recycle(NOT_STOPPED);
    }
    try {
      line.close();
    } finally {
      memory.close();
    }
  }

  /// Charges the realm's budget, and has the memory backed before the guest touches it.
  private final class Backed implements MemoryCharge {
    @Override
    public boolean take(long bytes) {
      if (!budget.take(bytes)) {
        return false;
      }
      if (bytes > 0 && !line.allocate(memory.size(), bytes)) {
        budget.give(bytes);
        return false;
      }
      return true;
    }

    @Override
    public void give(long bytes) {
      budget.give(bytes);
    }

    @Override
    public GuestTrapException refusal(long bytes) {
      return budget.refusal(bytes);
    }
  }
}
