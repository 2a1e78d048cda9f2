package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.BackendProvider;

/// Opens [NaiveBackend]; runs everywhere.
public final class NaiveBackendProvider implements BackendProvider {
  @Override
  public String name() {
    return "naive";
  }

  @Override
  public int priority() {
    return 100;
  }

  @Override
  public String unavailableReason() {
    return "";
  }

  @Override
  public Backend open(BackendOptions options) {
    return new NaiveBackend();
  }
}
