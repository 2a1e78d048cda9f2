package ai.realm.runtime;

import ai.realm.digest.Sha256;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

/// Compiled guests by the digest of their bytes: one per guest, however many realms run it. One guest is
/// compiled at a time, so that a flood of uploads costs no more than a core.
final class GuestModules {
  /// Guests that are kept compiled; the longest unused goes first. Realms that run one keep it themselves.
  private static final int KEPT = 64;

  /// The most bytes of WebAssembly that are kept compiled, but for the newest guest: a compiled one takes a
  /// few times as much of the JVM's memory.
  private static final long KEPT_BYTES = 16L << 20;

  private static final long COMPILE_SECONDS = 60;

  private final GuestEngine engine;
  private final Semaphore compiler = new Semaphore(1, true);
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<String, Kept> compiled = new LinkedHashMap<>(16, 0.75f, true);
  private long keptBytes;
  private final AtomicInteger compilations = new AtomicInteger();

  /// A compiled guest.
  record Guest(String sha256, GuestEngine.Module module) {}

  /// A guest that was compiled, is being compiled, or waits for it.
  private record Kept(FutureTask<Guest> guest, int bytes) {}

  GuestModules(GuestEngine engine) {
    this.engine = engine;
  }

  /// The compiled guest of these bytes. Who brings bytes that another's deployment compiles waits for it, and where that
  /// fails compiles them itself: once, so that nobody waits for one after the other.
  ///
  /// @throws GuestFormatException when it cannot be one
  /// @throws LimitException `COMPILER_BUSY` when others' guests keep the compiler for too long
  /// @throws GuestTrapException `GUEST_CANCELLED` when interrupted
  Guest get(byte[] wasm, GuestLimits limits) {
    checkSize(wasm, limits);
    String digest = Sha256.hex(wasm);
    FutureTask<Guest> mine =
        new FutureTask<>(() -> new Guest(digest, compile(wasm.clone(), limits)));
    FutureTask<Guest> task = remember(digest, mine, wasm.length);
    while (true) {
      try {
        // Nobody runs another's: what interrupts the one who runs it would be the other's failure.
        if (task == mine) {
          task.run();
        }
        return task.get(COMPILE_SECONDS, TimeUnit.SECONDS);
      } catch (ExecutionException e) {
        forget(digest, task);
        if (task == mine) {
          throw failure(e);
        }
        // Another's: it was interrupted, or has other limits.
        remember(digest, mine, wasm.length);
        task = mine;
      } catch (TimeoutException e) {
        throw busy();
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }
  }

  private static RuntimeException failure(ExecutionException e) {
    return switch (e.getCause()) {
      case RuntimeException failure -> failure;
      case InterruptedException interrupt -> interrupted(interrupt);
      case null, default -> new IllegalStateException("compiling a guest failed", e.getCause());
    };
  }

  private static GuestTrapException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new GuestTrapException("GUEST_CANCELLED", "guest: interrupted while it was compiled", e);
  }

  /// The same where another engine than this one's runs it, which keeps what it compiles itself, and has its
  /// own order of who compiles when.
  Guest getFrom(GuestEngine other, byte[] wasm, GuestLimits limits) {
    checkSize(wasm, limits);
    if (Thread.currentThread().isInterrupted()) {
      throw interrupted(new InterruptedException());
    }
    compilations.incrementAndGet();
    return new Guest(Sha256.hex(wasm), other.load(wasm.clone(), limits));
  }

  static void checkSize(byte[] wasm, GuestLimits limits) {
    if (wasm.length > limits.maxModuleBytes()) {
      throw new GuestFormatException(
          "guest: expected at most %d bytes, found %d"
              .formatted(limits.maxModuleBytes(), wasm.length));
    }
  }

  private static LimitException busy() {
    return new LimitException(
        "COMPILER_BUSY",
        "guests: none was compiled within %d s".formatted(COMPILE_SECONDS),
        TimeUnit.SECONDS.toNanos(COMPILE_SECONDS));
  }

  private GuestEngine.Module compile(byte[] wasm, GuestLimits limits) throws InterruptedException {
    if (!compiler.tryAcquire(COMPILE_SECONDS, TimeUnit.SECONDS)) {
      throw busy();
    }
    try {
      compilations.incrementAndGet();
      return engine.load(wasm, limits);
    } finally {
      compiler.release();
    }
  }

  /// What compiles the guest: another's task where there is one, or else this, whose owner is to run it.
  FutureTask<Guest> remember(String digest, FutureTask<Guest> mine, int bytes) {
    lock.lock();
    try {
      Kept present = compiled.putIfAbsent(digest, new Kept(mine, bytes));
      if (present != null) {
        return present.guest();
      }
      keptBytes += bytes;
      var longestUnused = compiled.values().iterator();
      while (compiled.size() > KEPT || (keptBytes > KEPT_BYTES && compiled.size() > 1)) {
        keptBytes -= longestUnused.next().bytes();
        longestUnused.remove();
      }
      return mine;
    } finally {
      lock.unlock();
    }
  }

  private void forget(String digest, FutureTask<Guest> failed) {
    lock.lock();
    try {
      Kept present = compiled.get(digest);
      if (present != null && present.guest() == failed) {
        compiled.remove(digest);
        keptBytes -= present.bytes();
      }
    } finally {
      lock.unlock();
    }
  }

  /// How many guests were compiled so far.
  int compilations() {
    return compilations.get();
  }
}
