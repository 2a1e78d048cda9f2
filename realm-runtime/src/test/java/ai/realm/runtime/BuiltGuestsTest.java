package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.digest.Sha256;
import ai.realm.testing.sample.SampleModel;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The built guests are those whose hashes were written down, and each may be a tenant's.
final class BuiltGuestsTest {
  @Test
  void eachHasItsHashAndIsAdmitted() throws Exception {
    List<String> lines = Files.readAllLines(ExampleGuest.folder().resolve("SHA256SUMS"));
    List<Path> built = built();
    assertThat(lines).hasSameSizeAs(built).hasSizeGreaterThanOrEqualTo(5);
    for (Path file : built) {
      byte[] wasm = Files.readAllBytes(file);
      assertThat(lines).contains(sha256(file) + "  " + file.getFileName());
      assertThat(new EndiveGuestEngine().load(wasm, GuestLimits.DEFAULT)).isNotNull();
    }
  }

  @Test
  void eachCanBeDeployed() throws Exception {
    TenantId tenant = new TenantId("a");
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        MultiRealmManager manager =
            new MultiRealmManager(
                RuntimeConfig.of("sample", SampleModel.path(), backend), DefaultGuest.bytes())) {
      manager.create(tenant, RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT)));
      for (Path file : built()) {
        if (file.getFileName().toString().startsWith("conformance")) {
          // They test the libraries and need not answer anybody.
          continue;
        }
        manager.deploy(tenant, Files.readAllBytes(file));
        assertThat(manager.status(tenant).ownGuest()).isTrue();
      }
    }
  }

  @Test
  void eachWasBuiltFromTheSourcesAsTheyAre() throws Exception {
    Path guests = ExampleGuest.folder().resolveSibling("c").getParent();
    List<String> found = new ArrayList<>();
    for (String language : List.of("assemblyscript", "c", "rust")) {
      try (Stream<Path> files = Files.walk(guests.resolve(language))) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          Path path = guests.relativize(file);
          if (!contains(path, "node_modules") && !contains(path, "target")) {
            found.add(sha256(file) + "  " + path);
          }
        }
      }
    }
    assertThat(Files.readAllLines(ExampleGuest.folder().resolve("SOURCES.sha256")))
        .as("a source changed: ./dev guests builds the guests and notes their sources")
        .containsExactlyInAnyOrderElementsOf(found);
  }

  private static boolean contains(Path path, String folder) {
    for (Path name : path) {
      if (name.toString().equals(folder)) {
        return true;
      }
    }
    return false;
  }

  private static String sha256(Path file) throws Exception {
    return Sha256.hex(Files.readAllBytes(file));
  }

  @Test
  void pageListsEachWithItsSizeItsSourceAndItsTest() throws Exception {
    Path root = SampleModel.repositoryRoot();
    Map<String, String> sources =
        Map.of(
            "C", "guests/c/%s.c",
            "Rust", "guests/rust/examples/%s.rs",
            "AssemblyScript", "guests/assemblyscript/examples/%s.ts");
    List<String> listed = new ArrayList<>();
    Matcher row =
        Pattern.compile("\\| `(\\w+)` \\| (\\w+) \\| ([\\d,]+) \\|.*\\| `(\\w+)` \\|")
            .matcher(Files.readString(root.resolve("docs/guests.md")));
    while (row.find()) {
      listed.add(row.group(1) + ".wasm");
      assertThat(root.resolve(sources.getOrDefault(row.group(2), "?").formatted(row.group(1))))
          .exists();
      assertThat(row.group(3))
          .as("%s: bytes on the page", row.group(1))
          .isEqualTo(
              String.format(
                  Locale.ROOT,
                  "%,d",
                  Files.size(ExampleGuest.folder().resolve(row.group(1) + ".wasm"))));
      Path test = Path.of("src/test/java/ai/realm/runtime", row.group(4) + ".java");
      assertThat(Files.readString(root.resolve("realm-runtime").resolve(test)))
          .contains("\"" + row.group(1) + "\"");
    }
    assertThat(listed)
        .containsExactlyInAnyOrderElementsOf(
            built().stream().map(file -> file.getFileName().toString()).toList());
  }

  /// What of a compiler's output or of a library could differ where memory is shared and calls cross
  /// processes.
  @ParameterizedTest
  @Timeout(120)
  @ValueSource(strings = {"beam_search", "tree_of_thought", "watermark", "redact", "vote"})
  void eachLanguageSaysTheSameInAWorker(String name) throws IOException {
    String prompt = "What is the capital of France?";
    String config = "{\"max_tokens\":24,\"n\":4,\"temperature\":0.7,\"depth\":1,\"branch\":3}";
    List<String> texts = new ArrayList<>();
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend()) {
      RuntimeConfig sample = RuntimeConfig.of("sample", SampleModel.path(), backend);
      for (Isolation where : List.of(Isolation.inProcess(), Isolation.worker())) {
        try (ExampleGuest guest = ExampleGuest.open(name, sample, GuestTools.NONE, where)) {
          texts.add(guest.generate(prompt, config).text());
        }
      }
    }
    assertThat(texts.getFirst()).isNotBlank().isEqualTo(texts.getLast());
  }

  private static List<Path> built() throws IOException {
    try (Stream<Path> files = Files.list(ExampleGuest.folder())) {
      return files.filter(f -> f.toString().endsWith(".wasm")).sorted().toList();
    }
  }
}
