package ai.realm.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Lets Ctrl-C end a command instead of tearing it: its work is cancelled, and the process waits a
/// moment for the command to write what it has to.
final class Interruption implements AutoCloseable {
  private static final long GRACE_SECONDS = 3;

  private final CountDownLatch done = new CountDownLatch(1);
  private final Thread hook;
  private volatile boolean stopping;

  Interruption(Session session) {
    this(session::cancel);
  }

  /// @param cancel makes the command end soon; called by another thread
  Interruption(Runnable cancel) {
    this(cancel, "the running step", () -> {});
  }

  private Interruption(Runnable cancel, String what, Runnable end) {
    hook = new Thread(() -> stop(cancel, what, end), "realm-interrupt");
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /// For a guest of the user's own, which may never ask its host again: where it does not end in time, the
  /// thread that waits for it, the one that calls this, is interrupted, which stops it.
  ///
  /// @param cancel makes the guest end soon; called by another thread
  static Interruption ofGuest(Runnable cancel) {
    return new Interruption(cancel, "the guest", Thread.currentThread()::interrupt);
  }

  private void stop(Runnable cancel, String what, Runnable end) {
    stopping = true;
    cancel.run();
    try {
      if (!done.await(GRACE_SECONDS, TimeUnit.SECONDS)) {
        System.err.println("realm: " + what + " did not end in time");
        end.run();
        boolean ignored = done.await(GRACE_SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// The command has written everything.
  @Override
  public void close() {
    done.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending, which is what the hook is for; anything else is a defect.
      if (!stopping && hook.getState() == Thread.State.NEW) {
        throw e;
      }
    }
  }
}
