package ai.realm.cli;

/// Opens sessions: the real one in `main`, a fake in tests.
@FunctionalInterface
interface Sessions {
  /// Loads the model and the guest.
  ///
  /// @param progress shows how far loading is
  Session open(RuntimeOptions options, ProgressLine progress);
}
