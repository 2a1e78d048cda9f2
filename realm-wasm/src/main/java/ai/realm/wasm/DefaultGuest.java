package ai.realm.wasm;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/// The guest that a realm runs unless it brings its own. Its WebAssembly was made by this module's build
/// from `ai.realm.guest`; the JVM bytecode made from that lies beside it, and the runtime takes it where
/// the bytes are the same (`META-INF/services/run.endive.runtime.CompiledModule`).
public final class DefaultGuest {
  private static final String RESOURCE = "default-guest.wasm";

  private DefaultGuest() {}

  /// The WebAssembly module.
  public static byte[] bytes() {
    try (InputStream in = DefaultGuest.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new IllegalStateException(
            RESOURCE + ": expected in realm-wasm's jar, found nothing; was the build interrupted?");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
