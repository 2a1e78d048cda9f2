package ai.realm.example.guest;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.GuestOutput;
import ai.realm.runtime.GuestTools;
import ai.realm.runtime.RealmRuntime;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.testing.guest.GuestConformance;
import ai.realm.testing.guest.SentByGuest;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import run.endive.wasm.Parser;

/// Every function of the library for guests in Java does what it says, as `GuestConformanceTest` has it for
/// the other languages.
@Timeout(120)
final class JavaConformanceTest {
  private static final class Sent extends SentByGuest implements GuestOutput {}

  @Test
  void everyFunctionOfTheLibraryDoesWhatItSays() throws IOException {
    ResourceLimits limits =
        ResourceLimits.builder()
            .guest(GuestLimits.DEFAULT.withDeadline(Duration.ofMinutes(1)))
            .newTokensPerMinute(10_000)
            .memoryBytes(64 << 20)
            .build();
    Sent sent = new Sent();
    GuestTools tools = new GuestTools(Map.of("quote", text -> "<" + text + ">"));
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        RealmRuntime runtime =
            new RealmRuntime(
                RuntimeConfig.of("sample", SampleModel.path(), backend), limits, tools)) {
      runtime.loadWasm(BestOfNTest.guest());
      long model = runtime.callFunction("load_model", "sample", "{}").value();
      CallResult result =
          runtime.callFunction(
              "conformance", sent, model, GuestConformance.SAID, GuestConformance.CONFIG);
      GuestConformance.assertConforms(sent, result.value());
    }
  }

  /// TeaVM leaves out what nothing calls: so nothing is left out above.
  @Test
  void everyHostFunctionIsCalled() throws IOException {
    Set<String> imported = new TreeSet<>();
    Parser.parse(BestOfNTest.guest()).importSection().stream()
        .filter(wanted -> wanted.module().equals("realm_host"))
        .forEach(wanted -> imported.add(wanted.name()));
    assertThat(imported).isEqualTo(GuestConformance.hostFunctions());
  }
}
