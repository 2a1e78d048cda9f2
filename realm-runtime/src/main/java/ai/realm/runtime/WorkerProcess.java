package ai.realm.runtime;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.BufferUnderflowException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A worker as the host sees it: a child process with hard bounds, started with the JDK and the classes of
/// this one. Nothing that it says is believed without a check, and when it does not do as it should it is
/// killed.
final class WorkerProcess implements AutoCloseable {
  /// The exit status of a JVM that ran out of memory and was told to end then.
  private static final int OUT_OF_MEMORY = 3;

  private static final long EXIT_WAIT_MILLIS = 500;

  /// How long a worker that runs may take to open an instance before an impatient caller ends it.
  private static final long OPEN_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private final Process process;
  private final WorkerFolder folder;
  private final WorkerCommands commands;
  private final AtomicInteger ids = new AtomicInteger();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final AtomicBoolean startTaken = new AtomicBoolean();
  private final AtomicLong seenCpuNanos = new AtomicLong();
  private final ReentrantLock linesLock = new ReentrantLock();
  private final Set<WorkerLine> lines = new HashSet<>();
  private long closedLinesNanos;
  private volatile @Nullable String recycled;
  private volatile boolean answered;

  private WorkerProcess(Process process, WorkerFolder folder) {
    this.process = process;
    this.folder = folder;
    this.commands = new WorkerCommands(process.getOutputStream(), process.pid());
  }

  /// Starts a worker; it is there when its first instance answers.
  ///
  /// @throws GuestTrapException `WORKER_LOST` when the process cannot be started
  static WorkerProcess start(Isolation.Worker isolation, List<HostFunction> functions) {
    return start(folder -> command(isolation, folder), functions);
  }

  /// The same with another command, given the worker's folder.
  static WorkerProcess start(Function<Path, List<String>> command, List<HostFunction> functions) {
    WorkerFolder folder = null;
    try {
      folder = WorkerFolder.create();
      ProcessBuilder builder = new ProcessBuilder(command.apply(folder.path()));
      builder.environment().clear();
      builder.directory(folder.path().toFile());
      builder.redirectOutput(ProcessBuilder.Redirect.DISCARD);
      builder.redirectError(ProcessBuilder.Redirect.DISCARD);
      WorkerProcess worker = new WorkerProcess(builder.start(), folder);
      worker.process.onExit().thenRun(worker::cleanUp);
      worker.greet(functions);
      return worker;
    } catch (IOException e) {
      if (folder != null) {
        folder.close();
      }
      throw new GuestTrapException("WORKER_LOST", "worker: cannot be started", e);
    }
  }

  private static List<String> command(Isolation.Worker isolation, Path folder) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx" + isolation.heapBytes());
    command.add("-Xss512k");
    command.addAll(
        List.of(
            "-XX:MaxMetaspaceSize=96m",
            "-XX:CompressedClassSpaceSize=32m",
            "-XX:ReservedCodeCacheSize=48m",
            "-XX:MaxDirectMemorySize=8m",
            "-XX:+UseSerialGC",
            "-XX:ActiveProcessorCount=2",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-HeapDumpOnOutOfMemoryError",
            "-XX:-CreateCoredumpOnCrash",
            "-XX:-UsePerfData",
            "-XX:+DisableAttachMechanism",
            "-XX:ErrorFile=" + folder.resolve("crash.log")));
    // Guests that the build compiled may come from either path.
    add(command, "--module-path", System.getProperty("jdk.module.path", ""));
    add(command, "-cp", System.getProperty("java.class.path", ""));
    Module module = WorkerMain.class.getModule();
    command.add("--enable-native-access=" + (module.isNamed() ? module.getName() : "ALL-UNNAMED"));
    if (module.isNamed()) {
      command.add("-m");
      command.add(module.getName() + "/" + WorkerMain.class.getName());
    } else {
      command.add(WorkerMain.class.getName());
    }
    return command;
  }

  /// Adds a path of classes; a worker has another working directory.
  private static void add(List<String> command, String option, String path) {
    if (!path.isEmpty()) {
      command.add(option);
      command.add(
          Arrays.stream(path.split(File.pathSeparator))
              .map(entry -> Path.of(entry).toAbsolutePath().toString())
              .collect(Collectors.joining(File.pathSeparator)));
    }
  }

  private void greet(List<HostFunction> functions) throws IOException {
    post(out -> {
      out.writeInt(functions.size());
      for (HostFunction function : functions) {
        out.writeUTF(function.name());
        out.writeInt(function.parameters());
      }
    });
  }

  /// A command as it is written.
  @FunctionalInterface
  private interface Command {
    void write(DataOutputStream out) throws IOException;
  }

  private void post(Command command) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    command.write(new DataOutputStream(bytes));
    if (!commands.post(bytes.toByteArray())) {
      recycle("does not read what it is told");
      throw new IOException("the worker does not read what it is told");
    }
  }

  /// Opens a line to a new instance.
  ///
  /// @param memoryBytes the most that its memory may have
  /// @throws GuestTrapException `WORKER_LOST`
  WorkerLine open(long memoryBytes, long stackBytes) {
    int id = ids.incrementAndGet();
    long started = System.nanoTime();
    try {
      WorkerLine line = WorkerLine.open(this, id, folder.path(), memoryBytes, stackBytes);
      answered = true;
      opened(line);
      return line;
    } catch (IOException | UncheckedIOException e) {
      if (Thread.currentThread().isInterrupted()) {
        if (answered && System.nanoTime() - started > OPEN_NANOS) {
          recycle("opened no instance in time");
        }
        throw new GuestTrapException("GUEST_CANCELLED", "guest: interrupted before it began", e);
      }
      throw lost(e);
    }
  }

  private void opened(WorkerLine line) {
    linesLock.lock();
    try {
      lines.add(line);
    } finally {
      linesLock.unlock();
    }
  }

  /// A line is about to be closed.
  void closes(WorkerLine line) {
    linesLock.lock();
    try {
      if (lines.remove(line)) {
        closedLinesNanos += line.cpuNanos(seenCpuNanos.get());
      }
    } finally {
      linesLock.unlock();
    }
  }

  /// CPU time of the process that none of its guests used, in nanoseconds: for its start, and for reading and
  /// compiling guests. By the system's account, whose steps may be of 10 ms, less what the worker says of its
  /// guests; of a process that has ended, as it was seen last.
  long ownCpuNanos() {
    look();
    long all = seenCpuNanos.get();
    linesLock.lock();
    try {
      long guests = closedLinesNanos;
      for (WorkerLine line : lines) {
        guests += line.cpuNanos(all);
      }
      return Math.max(0, all - guests);
    } finally {
      linesLock.unlock();
    }
  }

  /// Looks at the CPU time of the process: once it has ended nobody can.
  void look() {
    process
        .info()
        .totalCpuDuration()
        .ifPresent(used -> seenCpuNanos.accumulateAndGet(used.toNanos(), Math::max));
  }

  /// Whether nobody has answered for the CPU time of the process' start yet, who asks being the one that does.
  boolean takeStart() {
    return startTaken.compareAndSet(false, true);
  }

  /// Tells the worker to open its side of a line.
  void tellToOpen(WorkerGuest.Opening opening) throws IOException {
    post(out -> {
      out.writeInt(WorkerMain.OPEN);
      opening.write(out);
    });
  }

  /// Interrupts the guest of a line.
  void interrupt(int id) {
    tell(out -> {
      out.writeInt(WorkerMain.INTERRUPT);
      out.writeInt(id);
    });
  }

  /// Lets its compiler threads work only while no other thread of the machine wants their core.
  void standBack() {
    tell(out -> out.writeInt(WorkerMain.STAND_BACK));
  }

  /// Posts a command that a worker which was recycled does not need; whoever waits for its guest finds out.
  private void tell(Command command) {
    try {
      post(command);
    } catch (IOException e) {
      // It was recycled.
    }
  }

  boolean isAlive() {
    return recycled == null && !closed.get() && process.isAlive();
  }

  long pid() {
    return process.pid();
  }

  /// Where its files are.
  Path folder() {
    return folder.path();
  }

  /// Deletes what hosts that were killed left beside its files.
  void sweep() {
    folder.sweepBeside();
  }

  /// Kills a worker that does not do as it should; the next call starts another.
  void recycle(String reason) {
    recycled = reason;
    look();
    process.destroyForcibly();
  }

  /// Kills a worker that took away pages of the memory that it shares, which is an `InternalError` here.
  GuestTrapException truncated() {
    recycle("truncated the memory that it shares");
    return lost(null);
  }

  /// Why the worker is not there any more; kills it where it is.
  GuestTrapException lost(@Nullable Exception cause) {
    String reason = recycled;
    if (reason == null) {
      boolean violation =
          cause instanceof WorkerChannel.BrokenException broken && !broken.isGone()
              || cause instanceof BufferUnderflowException;
      reason = violation && cause != null ? "broke the protocol: " + cause.getMessage() : exit();
      recycle(reason);
    }
    return cause == null
        ? new GuestTrapException("WORKER_LOST", "worker: " + reason)
        : new GuestTrapException("WORKER_LOST", "worker: " + reason, cause);
  }

  private String exit() {
    try {
      if (process.waitFor(EXIT_WAIT_MILLIS, TimeUnit.MILLISECONDS)) {
        return process.exitValue() == OUT_OF_MEMORY
            ? "its heap is exhausted"
            : "ended with status " + process.exitValue();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return "does not answer";
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      process.destroyForcibly();
      cleanUp();
    }
  }

  private void cleanUp() {
    commands.close();
    folder.close();
  }
}
