package ai.realm.compute;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;

/// Finds the backends that are installed and opens one.
public final class Backends {
  private Backends() {}

  /// A backend that was opened, and why better ones were not.
  ///
  /// @param backend the open backend
  /// @param passedOver one sentence for each backend of higher priority that cannot run here; empty
  ///     when the best one runs, or when the user named the backend
  public record Selection(Backend backend, List<String> passedOver) {
    public Selection {
      passedOver = List.copyOf(passedOver);
    }
  }

  /// All installed providers, best first.
  public static List<BackendProvider> installed() {
    List<BackendProvider> providers = new ArrayList<>();
    ServiceLoader.load(BackendProvider.class).forEach(providers::add);
    providers.sort(Comparator.comparingInt(BackendProvider::priority).reversed());
    return providers;
  }

  /// Opens the backend called `name`, or with `auto` the best one that can run here.
  ///
  /// @throws IllegalArgumentException when no such backend is installed
  /// @throws IllegalStateException when it cannot run here
  public static Selection open(String name, BackendOptions options) {
    List<BackendProvider> providers = installed();
    List<String> passedOver = new ArrayList<>();
    for (BackendProvider provider : providers) {
      boolean named = provider.name().equals(name);
      if (!named && !name.equals("auto")) {
        continue;
      }
      String reason = provider.unavailableReason();
      if (reason.isEmpty()) {
        return new Selection(provider.open(options), passedOver);
      }
      String sentence = "backend " + provider.name() + " is not available: " + reason;
      if (named) {
        throw new IllegalStateException(sentence);
      }
      passedOver.add(sentence);
    }
    if (name.equals("auto") && !passedOver.isEmpty()) {
      throw new IllegalStateException("no backend can run here: " + String.join("; ", passedOver));
    }
    throw new IllegalArgumentException(
        "backend %s: expected one of auto, %s"
            .formatted(
                name, String.join(", ", providers.stream().map(BackendProvider::name).toList())));
  }
}
