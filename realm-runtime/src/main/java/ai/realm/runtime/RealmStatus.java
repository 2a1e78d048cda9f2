package ai.realm.runtime;

/// A realm at one moment.
///
/// @param tenant whose it is
/// @param guest SHA-256 of the guest that new calls run, in hexadecimal
/// @param ownGuest whether that is the tenant's own and not the default one
/// @param runningCalls calls that run now
/// @param idleGuests instances that wait for calls
/// @param memoryBytes linear memory of all instances, and the logits that their steps keep
/// @param breakerOpen whether the tenant's own guest failed too often and is not tried
/// @param usage what was used so far
public record RealmStatus(
    TenantId tenant,
    String guest,
    boolean ownGuest,
    int runningCalls,
    int idleGuests,
    long memoryBytes,
    boolean breakerOpen,
    Usage usage) {}
