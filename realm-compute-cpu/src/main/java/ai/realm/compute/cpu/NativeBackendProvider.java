package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.BackendProvider;
import org.jspecify.annotations.Nullable;

/// Opens [NativeBackend] where this build has kernels for this machine.
public final class NativeBackendProvider implements BackendProvider {
  private @Nullable NativeLibrary library;

  @Override
  public String name() {
    return "native";
  }

  @Override
  public int priority() {
    return 300;
  }

  @Override
  public String unavailableReason() {
    return switch (library()) {
      case NativeLibrary.Loaded loaded -> "";
      case NativeLibrary.Missing missing -> missing.reason();
    };
  }

  @Override
  public Backend open(BackendOptions options) {
    return switch (library()) {
      case NativeLibrary.Loaded loaded -> new NativeBackend(loaded.kernels(), options);
      case NativeLibrary.Missing missing -> throw new IllegalStateException(missing.reason());
    };
  }

  private synchronized NativeLibrary library() {
    NativeLibrary found = library;
    if (found == null) {
      found = NativeLibrary.load();
      library = found;
    }
    return found;
  }
}
