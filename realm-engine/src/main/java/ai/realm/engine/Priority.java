package ai.realm.engine;

/// Who goes first when tenants compete for steps and KV blocks; weights share the compute among tenants
/// of one priority. Nobody is starved: of the work that waits, lower priorities get at least a
/// sixteenth.
public enum Priority {
  /// Work that nobody waits for: it fills what others leave.
  LOW,
  /// What a tenant has unless told otherwise.
  NORMAL,
  /// Somebody waits for each token.
  HIGH
}
