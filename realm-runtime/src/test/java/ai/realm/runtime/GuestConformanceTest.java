package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.guest.GuestConformance;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import run.endive.wasm.Parser;

/// Every function of the libraries for guests does what it says, in each language: a guest calls them all,
/// checks what they give and names what is wrong.
@Timeout(180)
final class GuestConformanceTest {
  @ParameterizedTest
  @ValueSource(strings = {"conformance_c", "conformance_rust", "conformance_script"})
  void everyFunctionOfALibraryDoesWhatItSays(String name) throws IOException {
    ResourceLimits limits =
        ResourceLimits.builder()
            .guest(GuestLimits.DEFAULT.withDeadline(Duration.ofMinutes(1)))
            .newTokensPerMinute(10_000)
            .memoryBytes(64 << 20)
            .build();
    GuestTools tools = new GuestTools(Map.of("quote", text -> "<" + text + ">"));
    Sent sent = new Sent();
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        RealmRuntime runtime =
            new RealmRuntime(
                RuntimeConfig.of("sample", SampleModel.path(), backend), limits, tools)) {
      runtime.loadWasm(ExampleGuest.bytes(name));
      long model = runtime.callFunction("load_model", "sample", "{}").value();
      CallResult result =
          runtime.callFunction(
              "conformance", sent, model, GuestConformance.SAID, GuestConformance.CONFIG);
      GuestConformance.assertConforms(sent, result.value());
    }
  }

  /// Compilers drop imports that nothing calls: so none is left out above.
  @ParameterizedTest
  @ValueSource(strings = {"conformance_c", "conformance_rust", "conformance_script"})
  void everyHostFunctionIsCalled(String name) throws IOException {
    Set<String> imported = new TreeSet<>();
    Parser.parse(ExampleGuest.bytes(name)).importSection().stream()
        .forEach(wanted -> imported.add(wanted.name()));
    assertThat(imported).isEqualTo(GuestConformance.hostFunctions());
  }

  /// The samples of the page: what a reader copies runs.
  @ParameterizedTest
  @ValueSource(strings = {"minimal_c", "minimal_rust", "minimal_script"})
  void samplesOfThePageAnswer(String name) throws IOException {
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        ExampleGuest guest = ExampleGuest.open(name, backend)) {
      assertThat(guest.generate("What is the capital of France?", "{}").text())
          // The one in C samples one token.
          .isEqualTo(name.equals("minimal_c") ? "The" : "The capital of France is Paris.");
    }
  }

  /// A host of another version is said when a model is loaded, not met halfway through a call.
  @ParameterizedTest
  @ValueSource(strings = {"plain", "resume", "vote"})
  void librariesRefuseAHostOfAnotherVersion(String name, @TempDir Path folder) throws IOException {
    Sent sent = new Sent();
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
        Memory64Manager memory64 = new Memory64Manager(folder, 1 << 20, 1 << 22);
        ModelCatalog models =
            new ModelCatalog(RuntimeConfig.of("sample", SampleModel.path(), backend));
        Realm realm =
            new Realm(
                new TenantId("a"),
                ResourceLimits.unbounded(GuestLimits.DEFAULT),
                models,
                memory64,
                GuestTools.NONE);
        GuestState state = new GuestState(realm)) {
      HostFunctions functions = new HostFunctions(state);
      functions.trace((function, memory, arguments, call) ->
          function.name().equals("abi_version")
              ? HostFunctions.ABI_VERSION + 1
              : function.body().call(memory, arguments));
      try (GuestEngine.Instance guest =
          new EndiveGuestEngine()
              .load(ExampleGuest.bytes(name), GuestLimits.DEFAULT)
              .instantiate(functions, realm)) {
        state.begin(new Call(Call.texts("sample", "{}"), sent, realm));
        assertThat(guest.call("load_model")).isEqualTo(Errno.EINVAL);
        state.end();
      }
    }
    assertThat(sent.log())
        .hasSize(1)
        .first()
        .asString()
        .contains("expected version 1", "realm_host");
  }
}
