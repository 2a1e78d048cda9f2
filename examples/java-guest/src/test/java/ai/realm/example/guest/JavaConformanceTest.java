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
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import run.endive.wasm.Parser;

/// Every function of the library for guests in Java does what it says, as `GuestConformanceTest` has it for
/// the other languages.
@Timeout(120)
final class JavaConformanceTest {
  private static final String SAID = "gr\u00fc\u00df dich \ud83e\udd8a";
  private static final String CONFIG =
      "{\"number\":-1.5, \"inner\":{\"text\":\"no\"}, \"text\":\"a\\\"\\ud83d\\ude00\", "
          + "\"list\":[ \"x\" , \"y\"], \"flag\":true}";

  private final StringBuilder said = new StringBuilder();
  private final List<Integer> tokens = new ArrayList<>();
  private final List<String> lines = new ArrayList<>();
  private final Map<Integer, byte[]> events = new HashMap<>();

  private GuestOutput output() {
    return new GuestOutput() {
      @Override
      public void text(String text) {
        said.append(text);
      }

      @Override
      public void token(int id) {
        tokens.add(id);
      }

      @Override
      public void event(int kind, byte[] data) {
        events.put(kind, data);
      }

      @Override
      public void log(int level, String line) {
        lines.add(level + " " + line);
      }
    };
  }

  private int[] ints(int kind) {
    ByteBuffer data = ByteBuffer.wrap(events.get(kind)).order(ByteOrder.LITTLE_ENDIAN);
    int[] values = new int[data.remaining() / 4];
    data.asIntBuffer().get(values);
    return values;
  }

  @Test
  void everyFunctionOfTheLibraryDoesWhatItSays() throws IOException {
    ResourceLimits limits =
        ResourceLimits.builder()
            .guest(GuestLimits.DEFAULT.withDeadline(Duration.ofMinutes(1)))
            .newTokensPerMinute(10_000)
            .memoryBytes(64 << 20)
            .build();
    GuestTools tools = new GuestTools(Map.of("quote", text -> "<" + text + ">"));
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        RealmRuntime runtime =
            new RealmRuntime(
                RuntimeConfig.of("sample", SampleModel.path(), backend), limits, tools)) {
      runtime.loadWasm(BestOfNTest.guest());
      long model = runtime.callFunction("load_model", "sample", "{}").value();
      CallResult result = runtime.callFunction("conformance", output(), model, SAID, CONFIG);
      assertThat(new String(events.getOrDefault(2, new byte[0]), StandardCharsets.UTF_8))
          .as("what failed")
          .isEmpty();
      assertThat(result.value()).isZero();
    }
    assertThat(said.toString()).startsWith(SAID).endsWith("The");
    assertThat(tokens).hasSize(2).startsWith(7);
    assertThat(events.get(1)).containsExactly(0, 1, 200, 255);
    assertThat(lines).containsExactly("2 conformance");
    assertThat(ints(3)[1]).as("context").isGreaterThanOrEqualTo(512);
    assertThat(ints(4)).hasSize(2).containsOnly(ints(4)[0]);
  }

  /// TeaVM leaves out what nothing calls: so nothing is left out above.
  @Test
  void everyHostFunctionIsCalled() throws IOException {
    Set<String> imported = new TreeSet<>();
    Parser.parse(BestOfNTest.guest()).importSection().stream()
        .filter(wanted -> wanted.module().equals("realm_host"))
        .forEach(wanted -> imported.add(wanted.name()));
    Set<String> declared = new TreeSet<>();
    Pattern.compile("REALM_IMPORT\\((\\w+)\\)\\(")
        .matcher(Files.readString(SampleModel.repositoryRoot().resolve("guests/c/realm_host.h")))
        .results()
        .forEach(found -> declared.add(found.group(1)));
    assertThat(imported).isEqualTo(declared);
  }
}
