package ai.realm.engine;

import java.util.List;

/// The virtual time at which tenants enter the competition: for each priority the least of those that
/// wait, never going back, less a credit for who has had less than that. So who comes goes before those that are always
/// there, as far as that, and else absence earns none.
///
/// A tenant can be given less than its share for long, because its prompts are held back beside others'
/// tokens, and others more. What it may claim for that is bounded: else everybody else's prompts would
/// wait until it has caught up. Guarded by the engine's lock.
final class FairClock {
  private final List<EngineTenant> tenants;
  private final double mostBehind;
  private final double credit;
  private final double[] now = new double[Priority.values().length];

  /// @param mostBehind how far a tenant that waits may fall behind the one of its priority that is
  ///     furthest ahead, in prompt tokens over weight
  /// @param credit how far behind the others one that comes may stand, in the same
  FairClock(List<EngineTenant> tenants, double mostBehind, double credit) {
    this.tenants = tenants;
    this.mostBehind = mostBehind;
    this.credit = credit;
  }

  /// A tenant begins to wait.
  void enter(EngineTenant tenant) {
    tenant.virtualTime = Math.max(tenant.virtualTime, now[priority(tenant)] - credit);
  }

  /// Moves on before a step is planned.
  void advance() {
    for (int p = 0; p < now.length; p++) {
      double least = Double.MAX_VALUE;
      double most = 0;
      for (int t = 0; t < tenants.size(); t++) {
        EngineTenant tenant = tenants.get(t);
        if (priority(tenant) == p && !tenant.waiting.isEmpty()) {
          least = Math.min(least, tenant.virtualTime);
          most = Math.max(most, tenant.virtualTime);
        }
      }
      if (least <= most) {
        double floor = most - mostBehind;
        now[p] = Math.max(now[p], Math.max(least, floor));
        for (int t = 0; t < tenants.size(); t++) {
          EngineTenant tenant = tenants.get(t);
          if (priority(tenant) == p && !tenant.waiting.isEmpty()) {
            tenant.virtualTime = Math.max(tenant.virtualTime, floor);
          }
        }
      }
    }
  }

  /// Gives a tenant another share. Work that it had stays counted; at another priority it is as far ahead of
  /// the clock there as it was, within the bound.
  void change(EngineTenant tenant, TenantShare share) {
    double ahead = Math.clamp(tenant.virtualTime - now[priority(tenant)], 0, mostBehind);
    boolean moves = share.priority() != tenant.share().priority();
    tenant.share(share);
    if (moves) {
      tenant.virtualTime = now[priority(tenant)] + ahead;
    }
  }

  private static int priority(EngineTenant tenant) {
    return tenant.share().priority().ordinal();
  }
}
