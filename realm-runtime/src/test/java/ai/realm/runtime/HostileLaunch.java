package ai.realm.runtime;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;

/// Starts a [HostileWorker] in place of a worker.
final class HostileLaunch {
  private HostileLaunch() {}

  static List<String> command(String way) {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xmx32m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        classes(HostileWorker.class).toString(),
        HostileWorker.class.getName(),
        way);
  }

  /// Where the classes beside this one lie, whether they are patched into the module or not.
  static Path classes(Class<?> one) {
    try {
      String name = one.getSimpleName() + ".class";
      var url = one.getResource(name);
      if (url == null) {
        throw new IllegalStateException(name + ": not found");
      }
      Path file = Path.of(url.toURI());
      for (int i = 0; i < 4; i++) {
        file = file.getParent();
      }
      return file;
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
