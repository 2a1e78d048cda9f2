package ai.realm.runtime;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.locks.ReentrantLock;

/// How fast a tenant deploys. A guest that is new is compiled a second time while it runs, to machine code: who
/// deploys one after the other has a core of the machine for that. Safe for many threads.
final class DeploymentPace {
  /// This many deployments within [#WITHIN] are fast.
  static final int MANY = 4;

  static final Duration WITHIN = Duration.ofSeconds(10);

  private final ArrayDeque<Long> latest = new ArrayDeque<>();
  private final ReentrantLock lock = new ReentrantLock();

  /// Counts a deployment.
  ///
  /// @param now in nanoseconds
  /// @return whether it and those before it come fast
  boolean isFastWith(long now) {
    lock.lock();
    try {
      latest.add(now);
      return latest.size() == MANY && now - latest.remove() < WITHIN.toNanos();
    } finally {
      lock.unlock();
    }
  }
}
