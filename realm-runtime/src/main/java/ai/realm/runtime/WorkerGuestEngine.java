package ai.realm.runtime;

import ai.realm.digest.Sha256;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Guests in a worker: admitted here, read, compiled and run there.
final class WorkerGuestEngine implements GuestEngine {
  /// The longest that reading and compiling may take.
  private static final long LOAD_SECONDS = 20;

  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /// How long a guest that is deployed may wait for others'.
  private static final long WAIT_NANOS = TimeUnit.SECONDS.toNanos(60);

  private final Workers.Slot slot;
  private final List<HostFunction> functions;
  private final DeploymentPace pace;

  /// @param functions what guests can import, in the order of their numbers
  WorkerGuestEngine(Workers.Slot slot, List<HostFunction> functions) {
    this(slot, functions, new DeploymentPace());
  }

  /// @param pace of the tenant whose guests are loaded
  WorkerGuestEngine(Workers.Slot slot, List<HostFunction> functions, DeploymentPace pace) {
    this.slot = slot;
    this.functions = List.copyOf(functions);
    this.pace = pace;
  }

  @Override
  public Module load(byte[] wasm, GuestLimits limits) {
    if (!EndiveGuestEngine.isBuiltIn(wasm)) {
      slot.compile(System.nanoTime() + WAIT_NANOS, () -> GuestAdmission.check(wasm, limits));
    }
    WorkerModule module = new WorkerModule(wasm.clone(), Sha256.of(wasm));
    WorkerProcess worker = slot.worker(functions);
    // A deployment costs no call anything.
    worker.takeStart();
    if (pace.isFastWith(System.nanoTime())) {
      worker.standBack();
    }
    try (WorkerLine line = module.open(worker)) {
      slot.load(System.nanoTime() + WAIT_NANOS, () -> module.load(line));
    }
    return module;
  }

  /// A module that the worker has, or gets again when it was started anew.
  private final class WorkerModule implements Module {
    private final byte[] wasm;
    private final byte[] digest;

    WorkerModule(byte[] wasm, byte[] digest) {
      this.wasm = wasm;
      this.digest = digest;
    }

    /// Gives the guest to a worker that does not have it, at the expense of the call that needs it: what the
    /// process itself uses for that, and for its start where this is the first guest that it gets again.
    private void loadAgain(WorkerProcess worker, Call call) {
      try (WorkerLine line = open(worker)) {
        slot.load(
            call.deadlineNanos(),
            () -> {
              long before = worker.takeStart() ? 0 : worker.ownCpuNanos();
              try {
                load(line);
              } finally {
                call.chargeCpuAtEnd(worker.ownCpuNanos() - before);
              }
            });
      }
    }

    /// A line to load the guest on. It is opened before the compiler is taken: a worker that takes its time over
    /// that keeps no other's guests waiting.
    private WorkerLine open(WorkerProcess worker) {
      return worker.open(Math.max(1, wasm.length), GuestLimits.DEFAULT.stackBytes());
    }

    private void load(WorkerLine line) {
      WorkerProcess worker = line.worker();
      try {
        line.put(wasm);
        line.channel().message(WorkerMessage.LOAD).putInt(wasm.length).put(digest);
        line.channel().send();
        ByteBuffer answer = await(line);
        if (answer == null && Thread.currentThread().isInterrupted()) {
          // Nothing stops a compiler but the end of its process.
          worker.recycle("was compiling when its call was over");
          throw new GuestTrapException(
              "GUEST_CANCELLED", "guest: interrupted while it was compiled");
        }
        if (answer == null) {
          worker.recycle("took longer than %d s to load a guest".formatted(LOAD_SECONDS));
          throw new GuestFormatException(
              "guest: it takes longer than %d s to compile".formatted(LOAD_SECONDS));
        }
        switch (answer.getInt()) {
          case WorkerMessage.DONE -> {}
          case WorkerMessage.REFUSED -> throw new GuestFormatException(WorkerChannel.text(answer));
          case WorkerMessage.TRAP, WorkerMessage.FAILED -> {
            String text = WorkerChannel.text(answer);
            throw new GuestFormatException("guest: cannot be loaded: " + text);
          }
          default -> throw new WorkerChannel.BrokenException("an answer of an unknown kind");
        }
      } catch (WorkerChannel.BrokenException e) {
        throw worker.lost(e);
      } catch (InternalError e) {
        throw worker.truncated();
      }
    }

    /// Looks at the worker's CPU time meanwhile: it may end in the middle.
    private static @Nullable ByteBuffer await(WorkerLine line)
        throws WorkerChannel.BrokenException {
      long giveUp = System.nanoTime() + TimeUnit.SECONDS.toNanos(LOAD_SECONDS);
      while (true) {
        long now = System.nanoTime();
        ByteBuffer answer = line.receive(Math.min(giveUp, now + LOOK_NANOS));
        if (answer != null || now - giveUp >= 0 || Thread.currentThread().isInterrupted()) {
          return answer;
        }
        line.worker().look();
      }
    }

    @Override
    public Instance instantiate(HostFunctions host, Realm realm) {
      WorkerProcess worker = slot.worker(functions);
      GuestLimits limits = realm.limits().guest();
      WorkerLine line = worker.open(limits.maxMemoryBytes(), limits.stackBytes());
      WorkerInstance instance = new WorkerInstance(line, host, realm, limits.maxMemoryBytes());
      boolean done = false;
      try {
        if (!instance.instantiate(digest)) {
          loadAgain(worker, host.call());
          if (!instance.instantiate(digest)) {
            worker.recycle("forgets guests");
            throw worker.lost(null);
          }
        }
        done = true;
        return instance;
      } finally {
        if (!done) {
          instance.close();
        }
      }
    }

    @Override
    public String toString() {
      return "guest " + HexFormat.of().formatHex(digest);
    }
  }
}
