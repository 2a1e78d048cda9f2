package ai.realm.runtime;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Running guests of one realm and one guest version. A call borrows one that idles, or a new one; retired,
/// the pool lends no more and what comes back ends, so that calls in progress finish on the version they
/// began with.
final class GuestPool {
  private static final int MAX_IDLE = 4;

  private final Realm realm;
  private final GuestModules.Guest guest;
  private final ArrayDeque<LoadedGuest> idle = new ArrayDeque<>();
  private final Set<LoadedGuest> lent = new HashSet<>();

  /// Lent ones that are not to be lent again.
  private final Set<LoadedGuest> old = new HashSet<>();

  private final ReentrantLock lock = new ReentrantLock();
  private boolean retired;

  GuestPool(Realm realm, GuestModules.Guest guest) {
    this.realm = realm;
    this.guest = guest;
  }

  String sha256() {
    return guest.sha256();
  }

  int idle() {
    lock.lock();
    try {
      return idle.size();
    } finally {
      lock.unlock();
    }
  }

  /// A running guest, to be given back, or null when the pool is retired.
  @Nullable LoadedGuest borrow() {
    lock.lock();
    try {
      if (retired) {
        return null;
      }
      LoadedGuest present = idle.poll();
      LoadedGuest one =
          present == null ? new LoadedGuest(new GuestSession(realm, guest.module())) : present;
      lent.add(one);
      return one;
    } finally {
      lock.unlock();
    }
  }

  void giveBack(LoadedGuest one) {
    boolean keep;
    lock.lock();
    try {
      lent.remove(one);
      keep = !old.remove(one) && !retired && idle.size() < MAX_IDLE;
      if (keep) {
        idle.push(one);
      }
    } finally {
      lock.unlock();
    }
    if (!keep) {
      one.session().close();
    }
  }

  /// Lends none again that was made so far: those that are lent end when they come back, those that idle are
  /// the caller's to close.
  List<GuestSession> renew() {
    lock.lock();
    try {
      old.addAll(lent);
      return takeIdle();
    } finally {
      lock.unlock();
    }
  }

  /// Lets go of those that idle: they are the caller's to close.
  List<GuestSession> release() {
    lock.lock();
    try {
      return takeIdle();
    } finally {
      lock.unlock();
    }
  }

  private List<GuestSession> takeIdle() {
    List<GuestSession> taken = new ArrayList<>();
    idle.forEach(one -> taken.add(one.session()));
    idle.clear();
    return taken;
  }

  /// Whether it lends no more and everything lent came back.
  boolean isOver() {
    lock.lock();
    try {
      return retired && lent.isEmpty();
    } finally {
      lock.unlock();
    }
  }

  /// Ends what idles and lends no more.
  void retire() {
    List<GuestSession> ending;
    lock.lock();
    try {
      retired = true;
      ending = takeIdle();
    } finally {
      lock.unlock();
    }
    GuestSession.closeAll(ending);
  }

  /// Lends no more; what idles and what is lent is the caller's to close.
  List<GuestSession> retireAll() {
    lock.lock();
    try {
      retired = true;
      List<GuestSession> all = takeIdle();
      lent.forEach(one -> all.add(one.session()));
      return all;
    } finally {
      lock.unlock();
    }
  }
}
