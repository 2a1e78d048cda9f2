package ai.realm.runtime;

import java.util.HashMap;
import java.util.Map;

/// A running guest with the models that it has loaded: `load_model` is called once per model and running
/// guest. Used by one call at a time.
final class LoadedGuest {
  /// How a guest answered.
  ///
  /// @param loaded whether it had the model, so that this is what its `generate` gave
  record Answer(CallResult result, boolean loaded) {}

  private final GuestSession session;

  /// Handles of models that the host has: what else a guest says to have is asked for each time, or names would
  /// pile up here.
  private final Map<String, Long> models = new HashMap<>();

  /// The session's count when the models were loaded.
  private int discards;

  LoadedGuest(GuestSession session) {
    this.session = session;
  }

  GuestSession session() {
    return session;
  }

  /// `load_model` where necessary, then `generate`.
  Answer generate(String model, String prompt, String config, GuestOutput output) {
    if (session.discards() != discards) {
      discards = session.discards();
      models.clear();
    }
    Long handle = models.get(model);
    if (handle == null) {
      CallResult loaded = session.call("load_model", GuestOutput.discard(), model, "{}");
      if (loaded.value() < 0) {
        return new Answer(loaded, false);
      }
      handle = loaded.value();
      if (session.hasModel(model)) {
        models.put(model, handle);
      }
    }
    return new Answer(session.call("generate", output, handle, prompt, config), true);
  }
}
