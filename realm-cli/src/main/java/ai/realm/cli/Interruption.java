package ai.realm.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Lets Ctrl-C end a command instead of tearing it: its work is cancelled, and the process waits a
/// moment for the command to write its last line.
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
    hook = new Thread(() -> stop(cancel), "realm-interrupt");
    Runtime.getRuntime().addShutdownHook(hook);
  }

  private void stop(Runnable cancel) {
    stopping = true;
    cancel.run();
    try {
      if (!done.await(GRACE_SECONDS, TimeUnit.SECONDS)) {
        System.err.println("realm: the running step did not end in time");
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
