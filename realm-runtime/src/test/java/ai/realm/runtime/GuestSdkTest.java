package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// The libraries for other languages declare what the C header declares, which [GuestAbiTest] holds
/// against the host.
final class GuestSdkTest {
  private static final String HEADER = "guests/c/realm_host.h";
  private static final String SCRIPT = "guests/assemblyscript/assembly/host.ts";

  /// A function's name and its parameters.
  private static final String HEADER_FUNCTION = "REALM_IMPORT\\((\\w+)\\)\\(([^;]*)\\);";

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
