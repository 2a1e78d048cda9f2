package ai.realm.runtime;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Guests in a worker: admitted here, read, compiled and run there.
final class WorkerGuestEngine implements GuestEngine {
  /// The longest that reading and compiling may take.
  private static final long LOAD_SECONDS = 20;

  /// How long a guest that is deployed may wait for others'.
  private static final long WAIT_NANOS = TimeUnit.SECONDS.toNanos(60);

  private final Workers.Slot slot;
  private final List<HostFunction> functions;

  /// @param functions what guests can import, in the order of their numbers
  WorkerGuestEngine(Workers.Slot slot, List<HostFunction> functions) {
    this.slot = slot;
    this.functions = List.copyOf(functions);
  }

  @Override
  public Module load(byte[] wasm, GuestLimits limits) {
    if (!EndiveGuestEngine.isBuiltIn(wasm)) {
      GuestAdmission.check(wasm, limits);
    }
    WorkerModule module = new WorkerModule(wasm.clone(), digest(wasm));
    module.load(slot.worker(functions), System.nanoTime() + WAIT_NANOS);
    return module;
  }

  private static byte[] digest(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JVM has SHA-256", e);
    }
  }

  /// A module that the worker has, or gets again when it was started anew.
  private final class WorkerModule implements Module {
    private final byte[] wasm;
    private final byte[] digest;

    WorkerModule(byte[] wasm, byte[] digest) {
      this.wasm = wasm;
      this.digest = digest;
    }

    void load(WorkerProcess worker, long deadlineNanos) {
      slot.compile(deadlineNanos, () -> load(worker));
    }

    private void load(WorkerProcess worker) {
      try (WorkerLine line =
          worker.open(Math.max(1, wasm.length), GuestLimits.DEFAULT.stackBytes())) {
        line.put(wasm);
        line.channel().message(WorkerMessage.LOAD).putInt(wasm.length).put(digest);
        line.channel().send();
        ByteBuffer answer =
            line.receive(System.nanoTime() + TimeUnit.SECONDS.toNanos(LOAD_SECONDS));
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
        worker.recycle("truncated the memory that it shares");
        throw worker.lost(null);
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
          load(worker, host.call().deadlineNanos());
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
