package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The built guests are those whose hashes were written down, and each may be a tenant's.
final class BuiltGuestsTest {
  @Test
  void eachHasItsHashAndIsAdmitted() throws Exception {
    List<String> lines = Files.readAllLines(ExampleGuest.folder().resolve("SHA256SUMS"));
    List<Path> built = built();
    assertThat(lines).hasSameSizeAs(built).hasSizeGreaterThanOrEqualTo(5);
    for (Path file : built) {
      byte[] wasm = Files.readAllBytes(file);
      String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(wasm));
      assertThat(lines).contains(digest + "  " + file.getFileName());
      assertThat(new EndiveGuestEngine().load(wasm, GuestLimits.DEFAULT)).isNotNull();
    }
  }

  private static List<Path> built() throws IOException {
    try (Stream<Path> files = Files.list(ExampleGuest.folder())) {
      return files.filter(f -> f.toString().endsWith(".wasm")).sorted().toList();
    }
  }
}
