package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.BackendProvider;

/// Opens [VectorBackend] where the JVM was started with the incubating Vector API.
public final class VectorBackendProvider implements BackendProvider {
  private static final String MODULE = "jdk.incubator.vector";

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public int priority() {
    return 200;
  }

  @Override
  public String unavailableReason() {
    // Asks for the module, not for a class of it: nothing here may need the Vector API to link.
    return ModuleLayer.boot().findModule(MODULE).isPresent()
        ? ""
        : "the JVM runs without the Vector API; start it with --add-modules " + MODULE;
  }

  @Override
  public Backend open(BackendOptions options) {
    String reason = unavailableReason();
    if (!reason.isEmpty()) {
      throw new IllegalStateException("backend vector is not available: " + reason);
    }
    return new VectorBackend(options);
  }
}
