package ai.realm.compute;

/// Finds and opens one kind of backend; found through [java.util.ServiceLoader].
public interface BackendProvider {
  /// The backend's name as users give it.
  String name();

  /// Which backend to take when several can run: the highest wins (native 300, vector 200, naive 100).
  int priority();

  /// Why this backend cannot run here, as a sentence for the user, or the empty string when it can.
  /// Cheap, and never throws.
  String unavailableReason();

  /// Opens the backend.
  ///
  /// @throws IllegalStateException with the reason when it cannot run here
  Backend open(BackendOptions options);
}
