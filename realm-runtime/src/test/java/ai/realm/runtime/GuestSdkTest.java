package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The libraries for other languages declare what the C header declares, which [GuestAbiTest] holds
/// against the host.
final class GuestSdkTest {
  private static final String HEADER = "guests/c/realm_host.h";
  private static final String RUST = "guests/rust/realm-guest/src/host.rs";
  private static final String SCRIPT = "guests/assemblyscript/assembly/host.ts";

  /// A function's name and its parameters.
  private static final String HEADER_FUNCTION = "REALM_IMPORT\\((\\w+)\\)\\(([^;]*)\\);";

  private static final String JAVA = "realm-wasm/src/main/java/ai/realm/guest/Host.java";
  private static final String PAGE = "docs/guests.md";

  private static final String HEADER_CONSTANT = "REALM_([A-Z_]+) = (-?\\d+)";

  @Test
  void assemblyScriptDeclaresEveryHostFunction() throws IOException {
    assertThat(functions(SCRIPT, "declare function (\\w+)\\(([^)]*)\\): i32;"))
        .isEqualTo(functions(HEADER, HEADER_FUNCTION));
    Map<String, Integer> external =
        functions(SCRIPT, "@external\\(\"realm_host\", \"(\\w+)\"()\\)");
    assertThat(external.keySet()).isEqualTo(functions(HEADER, HEADER_FUNCTION).keySet());
  }

  @Test
  void assemblyScriptNumbersConstantsAsTheHeaderDoes() throws IOException {
    assertThat(constants(SCRIPT, "const ([A-Z_]+): i32 = (-?\\d+);"))
        .containsAllEntriesOf(constants(HEADER, HEADER_CONSTANT));
  }

  @Test
  void rustDeclaresEveryHostFunctionAndNumbersConstantsAsTheHeaderDoes() throws IOException {
    assertThat(functions(RUST, "pub fn (\\w+)\\(([^)]*)\\) -> i32;"))
        .isEqualTo(functions(HEADER, HEADER_FUNCTION));
    assertThat(constants(RUST, "const ([A-Z_]+): i32 = (-?\\d+);"))
        .containsAllEntriesOf(constants(HEADER, HEADER_CONSTANT));
  }

  @Test
  void javaDeclaresEveryHostFunctionAndNumbersConstantsAsTheHeaderDoes() throws IOException {
    String imported =
        "@Import\\(module = \"realm_host\", name = \"(\\w+)\"\\)\\s+public static native int \\w+\\(([^)]*)\\);";
    assertThat(functions(JAVA, imported)).isEqualTo(functions(HEADER, HEADER_FUNCTION));
    Map<String, Integer> expected = new TreeMap<>();
    constants(HEADER, HEADER_CONSTANT)
        .forEach((name, value) -> expected.put(name.replaceFirst("^(STEP|STATUS)_", ""), value));
    assertThat(constants(JAVA, "int ([A-Z_]+) = (-?\\d+);")).containsAllEntriesOf(expected);
  }

  /// What the page shows is what the build compiles.
  @ParameterizedTest
  @CsvSource({
    "c, guests/c/minimal_c.c",
    "rust, guests/rust/examples/minimal_rust.rs",
    "ts, guests/assemblyscript/examples/minimal_script.ts",
    "java, examples/java-guest/src/main/java/ai/realm/example/guest/Minimal.java"
  })
  void pageShowsTheSmallestGuestAsItIsBuilt(String language, String source) throws IOException {
    String shown = read(PAGE);
    int begin = shown.indexOf("```" + language + "\n");
    assertThat(begin).as(language).isPositive();
    begin += language.length() + 4;
    String code = shown.substring(begin, shown.indexOf("```", begin));
    // On the page the package is installed; here it is the folder beside.
    String built = read(source).replace("\"../assembly\"", "\"realm-guest/assembly\"");
    assertThat(built).isEqualTo(code);
  }

  @Test
  void requestsHaveTheSameFieldsInEveryLanguage() throws IOException {
    List<String> header =
        fields(HEADER, "realm_step", "typedef struct \\{(.*?)\\} realm_step;", "t (\\w+);");
    assertThat(fields(RUST, "Step", "pub struct Step \\{(.*?)\\}", "pub (\\w+):"))
        .hasSize(StepRow.BYTES / 4)
        .isEqualTo(header);
    List<String> script =
        fields(
            "guests/assemblyscript/assembly/batch.ts",
            "Request",
            "class Request \\{(.*?)\\}",
            "(\\w+): \\w+;");
    assertThat(script.stream().map(GuestSdkTest::underscored)).isEqualTo(header);
  }

  private static String underscored(String name) {
    return name.replace("logprobOut", "logprob")
        .replaceAll("([A-Z])", "_$1")
        .toLowerCase(Locale.ROOT);
  }

  private static List<String> fields(String path, String what, String struct, String field)
      throws IOException {
    Matcher body = Pattern.compile(struct, Pattern.DOTALL).matcher(read(path));
    assertThat(body.find()).as(what).isTrue();
    return Pattern.compile(field).matcher(body.group(1)).results().map(r -> r.group(1)).toList();
  }

  private static Map<String, Integer> functions(String path, String pattern) throws IOException {
    Map<String, Integer> all = new TreeMap<>();
    Matcher m = Pattern.compile(pattern, Pattern.DOTALL).matcher(read(path));
    while (m.find()) {
      String list = m.group(2).trim().replaceAll(",$", "");
      int commas = (int) list.chars().filter(c -> c == ',').count();
      all.put(m.group(1), list.isEmpty() || list.equals("void") ? 0 : 1 + commas);
    }
    assertThat(all).as(path).isNotEmpty();
    return all;
  }

  private static Map<String, Integer> constants(String path, String pattern) throws IOException {
    Map<String, Integer> all = new TreeMap<>();
    Matcher m = Pattern.compile(pattern).matcher(read(path));
    while (m.find()) {
      all.put(m.group(1), Integer.valueOf(m.group(2)));
    }
    assertThat(all).as(path).isNotEmpty();
    return all;
  }

  private static String read(String path) throws IOException {
    return Files.readString(SampleModel.repositoryRoot().resolve(path));
  }
}
